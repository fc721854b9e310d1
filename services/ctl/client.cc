#include "services/ctl/client.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"

namespace wissel::ctl {

// What differs of a configuration, or one as large as the log's records may be (64 MiB).
constexpr int kMaxAnswerBytes = 128 << 20;

absl::StatusOr<Client> MakeClient(const Session& session, Session::Service service,
                                  absl::string_view who) {
  rpc::ChannelOptions options{.max_message_bytes = kMaxAnswerBytes};
  WISSEL_ASSIGN_OR_RETURN(options.target, session.Server(service));
  if (!session.flags.insecure_local) {
    options.tls.emplace();
    if (!session.flags.ca_file.empty()) {
      WISSEL_ASSIGN_OR_RETURN(options.tls->server_ca, ReadInput(session.flags.ca_file, 1 << 20));
    }
  }
  WISSEL_ASSIGN_OR_RETURN(std::string token, session.Token(who));
  return Client{.target = options.target,
                .channel = rpc::MakeChannel(options),
                .token = std::move(token),
                .timeout = session.timeout()};
}

absl::Status FromCall(const Client& client, absl::string_view service, const grpc::Status& status) {
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && status.error_message().empty()) {
    return absl::UnimplementedError(
        absl::StrCat(client.target, " has no ", service,
                     ", or an older one: is it the port of another service?"));
  }
  return rpc::FromGrpc(status);
}

absl::Status FromHttp(absl::string_view url, const http::FetchResult& result) {
  if (result.ok()) return absl::OkStatus();
  if (result.fate != http::Fate::kAnswered) {
    return absl::UnavailableError(absl::StrCat(url, ": ", result.error));
  }
  const std::string text =
      absl::StrCat(url, " answered ", result.status, " ", OneLine(result.body, 200));
  switch (result.status) {
    case 401:
    case 403:
      return absl::PermissionDeniedError(text);
    case 404:
      return absl::NotFoundError(text);
    case 502:
    case 503:
    case 504:
      return absl::UnavailableError(text);
    default:
      return result.status >= 500 ? absl::InternalError(text) : absl::FailedPreconditionError(text);
  }
}

}  // namespace wissel::ctl
