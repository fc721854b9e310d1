#include "services/ctl/client.h"

#include "libs/base/status_macros.h"

namespace wissel::ctl {

absl::StatusOr<Client> MakeClient(const Session& session, Session::Service service,
                                  absl::string_view who) {
  rpc::ChannelOptions options;
  WISSEL_ASSIGN_OR_RETURN(options.target, session.Server(service));
  if (!session.flags.insecure_local) {
    options.tls.emplace();
    if (!session.flags.ca_file.empty()) {
      WISSEL_ASSIGN_OR_RETURN(options.tls->server_ca, ReadInput(session.flags.ca_file, 1 << 20));
    }
  }
  WISSEL_ASSIGN_OR_RETURN(std::string token, session.Token(who));
  return Client{.channel = rpc::MakeChannel(options),
                .token = std::move(token),
                .timeout = session.timeout()};
}

}  // namespace wissel::ctl
