#include "libs/connections/redis_settings.h"

#include "libs/base/status_macros.h"

namespace wissel::connections {

void RedisSettings::Describe(config::Binder& b) {
  b.Text("address", &address, "HOST:PORT, or the path of a unix socket.");
  b.Text("username", &username, "Who to log in as; the default user if empty.");
  b.SecretText("password", &password, "The password; none: no login.");
  b.Int("database", &database, "The database's number.", {.min = 0, .max = 15});
  b.Bool("tls", &tls, "Whether the connection is TLS; needs a build with hiredis_ssl.");
  b.File("ca_file", &ca_file, "Authorities that sign the server, PEM; the system's if empty.");
  b.Text("server_name", &server_name,
         "The name that the server's certificate must have, for TLS; the address's host if empty. "
         "For a cluster whose nodes go by addresses that their certificates lack.");
  b.Duration("connect_timeout", &connect_timeout, "How long a connection may take.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(1)});
  b.Duration("command_timeout", &command_timeout, "How long an answer may take.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(5)});
  const absl::Status usable = ToOptions().status();
  b.Require(usable.ok(), usable.message());
}

absl::StatusOr<store::RedisOptions> RedisSettings::ToOptions() const {
  store::RedisOptions options;
  options.address = address;
  options.username = username;
  options.password = password.value();
  options.database = database;
  if (tls) options.tls = store::RedisTls{.ca_file = ca_file, .server_name = server_name};
  options.connect_timeout = connect_timeout;
  options.command_timeout = command_timeout;
  WISSEL_RETURN_IF_ERROR(store::CheckRedisOptions(options));
  return options;
}

}  // namespace wissel::connections
