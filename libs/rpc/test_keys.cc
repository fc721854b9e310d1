#include "libs/rpc/test_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/base64.h"
#include "libs/base/check.h"

namespace wissel::rpc {
namespace {

template <typename Write>
std::string Pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  WISSEL_CHECK(write(bio) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free_all(bio);
  return text;
}

std::string Number(const TestKey& key, const char* name, int size) {
  BIGNUM* number = nullptr;
  WISSEL_CHECK(EVP_PKEY_get_bn_param(key.get(), name, &number) == 1);
  if (size == 0) size = BN_num_bytes(number);
  std::string bytes(static_cast<size_t>(size), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), size);
  BN_free(number);
  return Base64UrlEncode(bytes);
}

std::string SigningInput(absl::string_view header, absl::string_view payload) {
  return absl::StrCat(Base64UrlEncode(header), ".", Base64UrlEncode(payload));
}

std::string RawEcdsa(const std::string& der) {
  const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(der.size()));
  std::string raw(64, '\0');
  auto* out = reinterpret_cast<unsigned char*>(raw.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + 32, 32);
  ECDSA_SIG_free(signature);
  return raw;
}

std::shared_ptr<X509> NewCertificate(const TestKey& key, const char* common_name) {
  static long serial = 1;
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  return certificate;
}

void AddExtension(X509* certificate, int nid, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value);
  WISSEL_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string CertificatePem(X509* certificate) {
  return Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

}  // namespace

TestKey MakeRsaKey(int bits) {
  return TestKey(EVP_RSA_gen(static_cast<unsigned int>(bits)), EVP_PKEY_free);
}

TestKey MakeEcKey(const char* curve) { return TestKey(EVP_EC_gen(curve), EVP_PKEY_free); }

std::string PrivateKeyPem(const TestKey& key) {
  return Pem([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string PublicKeyPem(const TestKey& key) {
  return Pem([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key.get()); });
}

std::string RsaJwk(const TestKey& key, absl::string_view kid, absl::string_view alg) {
  return absl::StrCat(R"({"kty":"RSA","kid":")", kid, R"(","alg":")", alg, R"(","n":")",
                      Number(key, OSSL_PKEY_PARAM_RSA_N, 0), R"(","e":")",
                      Number(key, OSSL_PKEY_PARAM_RSA_E, 0), R"("})");
}

std::string EcJwk(const TestKey& key, absl::string_view kid, absl::string_view alg) {
  return absl::StrCat(R"({"kty":"EC","crv":"P-256","kid":")", kid, R"(","alg":")", alg,
                      R"(","x":")", Number(key, OSSL_PKEY_PARAM_EC_PUB_X, 32), R"(","y":")",
                      Number(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32), R"("})");
}

std::string SignJws(absl::string_view header, absl::string_view payload, const TestKey& key) {
  const std::string input = SigningInput(header, payload);
  const auto* bytes = reinterpret_cast<const unsigned char*>(input.data());
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  size_t size = 0;
  WISSEL_CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  WISSEL_CHECK(EVP_DigestSign(context, nullptr, &size, bytes, input.size()) == 1);
  std::string signature(size, '\0');
  WISSEL_CHECK(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                              bytes, input.size()) == 1);
  signature.resize(size);
  EVP_MD_CTX_free(context);
  if (EVP_PKEY_is_a(key.get(), "EC")) signature = RawEcdsa(signature);
  return absl::StrCat(input, ".", Base64UrlEncode(signature));
}

std::string HmacJws(absl::string_view header, absl::string_view payload, absl::string_view secret) {
  const std::string input = SigningInput(header, payload);
  std::string digest(32, '\0');
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(input.data()), input.size(),
       reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return absl::StrCat(input, ".", Base64UrlEncode(digest));
}

TestAuthority::TestAuthority()
    : key_(MakeEcKey()), certificate_(NewCertificate(key_, "Wissel test authority")) {
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
  WISSEL_CHECK(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
  certificate_pem_ = CertificatePem(certificate_.get());
}

TestCertificate TestAuthority::Issue(const char* common_name) const {
  const TestKey key = MakeEcKey();
  const std::shared_ptr<X509> certificate = NewCertificate(key, common_name);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
  AddExtension(certificate.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  WISSEL_CHECK(X509_sign(certificate.get(), key_.get(), EVP_sha256()) > 0);
  return {CertificatePem(certificate.get()), PrivateKeyPem(key)};
}

}  // namespace wissel::rpc
