#include "libs/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <openssl/pem.h>

#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/listen_error.h"
#include "libs/base/status_macros.h"

namespace wissel::rpc {
namespace {

// Both switches are global to the process and must be set before the first server is built.
void EnableStandardServices() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

Bio Memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free_all);
}

bool IsCertificate(const std::string& pem) {
  X509* certificate = PEM_read_bio_X509(Memory(pem).get(), nullptr, nullptr, nullptr);
  X509_free(certificate);
  return certificate != nullptr;
}

bool IsPrivateKey(const std::string& pem) {
  EVP_PKEY* key = PEM_read_bio_PrivateKey(Memory(pem).get(), nullptr, nullptr, nullptr);
  EVP_PKEY_free(key);
  return key != nullptr;
}

// gRPC reports unusable material only in its own log, as a port that cannot be bound.
absl::Status Check(const ServerTls& tls) {
  if (!IsCertificate(tls.certificate_chain)) {
    return absl::InvalidArgumentError("TLS certificate chain is not PEM");
  }
  if (!IsPrivateKey(tls.private_key)) {
    return absl::InvalidArgumentError("TLS private key is not PEM");
  }
  if (!tls.client_ca.empty() && !IsCertificate(tls.client_ca)) {
    return absl::InvalidArgumentError("TLS client authority is not PEM");
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::ServerCredentials> Credentials(const std::optional<ServerTls>& tls) {
  if (!tls) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      tls->client_ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                             : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = tls->client_ca;
  options.pem_key_cert_pairs.push_back({tls->private_key, tls->certificate_chain});
  return grpc::SslServerCredentials(options);
}

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const std::vector<grpc::Service*>& services) {
  if (options.tls) WISSEL_RETURN_IF_ERROR(Check(*options.tls));
  EnableStandardServices();
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota("wissel");
  quota.Resize(options.memory_quota_bytes);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_interval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             Milliseconds(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options.min_client_ping_interval));
  // Two servers on one port would each see half of the clients.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  int port = 0;
  builder.AddListeningPort(options.listen, Credentials(options.tls), &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", options.listen, ": ", WhyNotListen(options.listen)));
  }
  std::unique_ptr<Server> started(new Server(std::move(server), port));
  started->SetServing(false);
  return started;
}

Server::Server(std::unique_ptr<grpc::Server> server, int port)
    : server_(std::move(server)), port_(port) {}

// Not the infinite past: to gRPC that is the infinite future.
Server::~Server() { Drain(absl::Now()); }

void Server::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void Server::Drain(absl::Time deadline) {
  server_->GetHealthCheckService()->Shutdown();
  server_->Shutdown(absl::ToChronoTime(deadline));
  server_->Wait();
}

}  // namespace wissel::rpc
