#include "libs/rpc/settings.h"

#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/loopback.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/jwt.h"

namespace wissel::rpc {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file || text.empty()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return text;
}

// Of SCHEME://[USER@]HOST[:PORT][/PATH].
absl::string_view HostOf(absl::string_view url) {
  absl::string_view host = url.substr(url.find("://") + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  host = host.substr(host.rfind('@') + 1);
  return host.substr(0, host.find(':', host.rfind(']') + 1));
}

bool IsSafe(absl::string_view url) {
  return absl::StartsWith(url, "https://") ||
         (absl::StartsWith(url, "http://") && IsLoopback(HostOf(url)));
}

}  // namespace

void ServerSettings::Describe(config::Binder& b) {
  b.HostPort("listen", &listen, "HOST:PORT to listen on; port 0 takes a free one.");
  b.File("certificate_file", &certificate_file,
         "The server's certificate chain, PEM; empty: plain text, for a mesh or proxy in front. "
         "Beyond this machine the log warns of that.");
  b.File("private_key_file", &private_key_file, "The certificate's private key, PEM.");
  b.File("client_ca_file", &client_ca_file,
         "Authorities, PEM, of which a client must show a certificate; empty: none asked for.");
  b.Duration("keepalive_interval", &keepalive_interval, "How often an idle connection is pinged.",
             {.min = absl::Seconds(1), .max = absl::Hours(2)});
  b.Duration("keepalive_timeout", &keepalive_timeout,
             "How long a ping's answer may take before the connection is dropped.",
             {.min = absl::Seconds(1), .max = absl::Minutes(5)});
  b.Duration("min_client_ping_interval", &min_client_ping_interval,
             "A client that pings more often is told to go away.",
             {.min = absl::Seconds(1), .max = absl::Hours(1)});
  b.Bytes("max_message_bytes", &max_message_bytes, "The largest request taken.",
          {.min = 64 << 10, .max = 64 << 20});
  b.Int("max_concurrent_streams", &max_concurrent_streams, "Calls at once on one connection.",
        {.min = 1, .max = 100'000});
  b.Bytes("memory_quota_bytes", &memory_quota_bytes, "What gRPC's own buffers may take.",
          {.min = 16 << 20});
  b.Require(certificate_file.empty() == private_key_file.empty(),
            "certificate_file and private_key_file go together");
  b.Require(client_ca_file.empty() || !certificate_file.empty(),
            "client_ca_file needs certificate_file");
}

absl::StatusOr<ServerOptions> ServerSettings::ToOptions() const {
  ServerOptions options{.listen = listen,
                        .keepalive_interval = keepalive_interval,
                        .keepalive_timeout = keepalive_timeout,
                        .min_client_ping_interval = min_client_ping_interval,
                        .max_message_bytes = static_cast<int>(max_message_bytes),
                        .max_concurrent_streams = max_concurrent_streams,
                        .memory_quota_bytes = static_cast<size_t>(memory_quota_bytes)};
  if (!certificate_file.empty()) {
    ServerTls tls;
    WISSEL_ASSIGN_OR_RETURN(tls.certificate_chain, ReadFile(certificate_file));
    WISSEL_ASSIGN_OR_RETURN(tls.private_key, ReadFile(private_key_file));
    WISSEL_ASSIGN_OR_RETURN(tls.client_ca, ReadFile(client_ca_file));
    options.tls = std::move(tls);
  }
  return options;
}

void AuthSettings::Describe(config::Binder& b) {
  b.SecretText("hs256_secret", &hs256_secret,
               "The secret that tokens are signed with by HS256, 32 bytes or more.");
  b.Text("hs256_key_id", &hs256_key_id, "The key id (kid) of that secret, if tokens carry one.");
  b.File("jwks_file", &jwks_file, "A JSON Web Key Set for RS256 and ES256 tokens.");
  b.Text("jwks_url", &jwks_url,
         "Where to fetch one, https://, or http:// on this machine; not together with jwks_file.");
  b.Text("issuer", &issuer,
         "The issuer (iss) that tokens must name; empty: any. With a key set, this or audience "
         "must be given.");
  b.Text("audience", &audience, "The audience (aud) that tokens must name; empty: any.");
  b.Duration("leeway", &leeway, "For clocks that differ, on a token's times.",
             {.max = absl::Minutes(10)});
  b.Duration("jwks_refresh_interval", &jwks_refresh_interval,
             "How often the key set is read again.", {.min = absl::Seconds(10)});
  b.Bytes("max_token_bytes", &max_token_bytes, "A larger token is refused.",
          {.min = 256, .max = 64 << 10});
  b.Require(hs256_secret.empty() || hs256_secret.value().size() >= kMinSecretBytes,
            absl::StrCat("hs256_secret: expected ", kMinSecretBytes, " bytes or more"));
  // Who is on the way could put keys of their own in place of these.
  b.Require(jwks_url.empty() || IsSafe(jwks_url),
            "jwks_url: expected https://, or http:// on this machine");
  b.Require(jwks_file.empty() || jwks_url.empty(), "give jwks_file or jwks_url, not both");
  // An identity provider signs for other programs with the same keys.
  b.Require((jwks_file.empty() && jwks_url.empty()) || !issuer.empty() || !audience.empty(),
            "a key set verifies tokens meant for others too: give issuer or audience");
  b.Require(!hs256_secret.empty() || !jwks_file.empty() || !jwks_url.empty(),
            "nobody could call: give hs256_secret, jwks_file or jwks_url");
}

AuthenticatorOptions AuthSettings::ToOptions(
    const Clock* clock,
    std::function<absl::StatusOr<std::string>(const std::string& url)> get) const {
  AuthenticatorOptions options{.verify = {.issuer = issuer,
                                          .audience = audience,
                                          .leeway = leeway,
                                          .max_token_bytes = static_cast<size_t>(max_token_bytes)},
                               .hs256_secret = hs256_secret.value(),
                               .hs256_key_id = hs256_key_id,
                               .refresh_interval = jwks_refresh_interval,
                               .clock = clock};
  if (!jwks_file.empty()) options.fetch_jwks = JwksFromFile(jwks_file);
  if (!jwks_url.empty()) {
    options.fetch_jwks = [get = std::move(get), url = jwks_url] { return get(url); };
  }
  return options;
}

}  // namespace wissel::rpc
