#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/http/client.h"
#include "libs/rpc/channel.h"
#include "services/ctl/session.h"

namespace wissel::ctl {

// A way to the server, with a token.
struct Client {
  std::string target;  // host:port
  std::shared_ptr<grpc::Channel> channel;
  std::string token;
  absl::Duration timeout;
};

// Connects when first used. `who` names the context's token where no other was given.
absl::StatusOr<Client> MakeClient(const Session& session, Session::Service service,
                                  absl::string_view who);

// What a failed call to `service`, by its full name, comes to: rpc::FromGrpc, and for a server that
// does not know the call, who was asked for what.
absl::Status FromCall(const Client& client, absl::string_view service, const grpc::Status& status);

// What an HTTP server's answer comes to.
//   UNAVAILABLE          none came, or its proxy had none (502, 503, 504)
//   INTERNAL             another failure of the server's
//   PERMISSION_DENIED, NOT_FOUND
//   FAILED_PRECONDITION  anything else than 2xx
absl::Status FromHttp(absl::string_view url, const http::FetchResult& result);

// One unary call within the session's timeout.
template <class Service, class Base, class Request, class Response>
absl::StatusOr<Response> Call(const Client& client,
                              grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request) {
  const auto stub = Service::NewStub(client.channel);
  grpc::ClientContext context;
  rpc::Prepare({.timeout = client.timeout, .token = client.token}, context);
  Response response;
  const grpc::Status status = ((*stub).*method)(&context, request, &response);
  if (!status.ok()) return FromCall(client, Service::service_full_name(), status);
  return response;
}

}  // namespace wissel::ctl
