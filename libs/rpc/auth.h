#pragma once

#include <grpcpp/server_context.h>

#include <bitset>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/base/mutex.h"
#include "libs/rpc/jwt.h"

namespace wissel::rpc {

/// What a caller may do. A token names them in lower case: "agent", "supervisor", ...
enum class Role { kAgent, kSupervisor, kAdmin, kBot, kIntegrator };

absl::string_view RoleName(Role role);
std::optional<Role> RoleFromName(absl::string_view name);

/// A set of roles.
class Roles {
 public:
  Roles() = default;
  Roles(std::initializer_list<Role> roles) {
    for (Role role : roles) Add(role);
  }
  void Add(Role role) { bits_.set(static_cast<size_t>(role)); }
  bool Has(Role role) const { return bits_.test(static_cast<size_t>(role)); }
  bool HasAny(const Roles& other) const { return (bits_ & other.bits_).any(); }
  bool empty() const { return bits_.none(); }
  friend bool operator==(const Roles& a, const Roles& b) = default;

 private:
  std::bitset<5> bits_;
};

/// Who calls, as far as a verified token tells.
struct Principal {
  std::string subject;
  WorkspaceId workspace;
  RoutingGroupId routing_group;  // may be empty: then the workspace's configuration tells
  AgentId agent;                 // may be empty: the same
  Roles roles;
  absl::Time expires_at = absl::InfinitePast();  // with the leeway for clocks that differ
};

/// OK if the principal has one of `any`, else PERMISSION_DENIED naming them.
absl::Status RequireRole(const Principal& principal, std::initializer_list<Role> any);

/// OK if the principal belongs to `workspace`, else PERMISSION_DENIED.
absl::Status RequireWorkspace(const Principal& principal, const WorkspaceId& workspace);

/// Fetches a JSON Web Key Set; may block. Called on the authenticator's own thread, and once while
/// it is made.
using FetchJwks = std::function<absl::StatusOr<std::string>()>;

/// Reads the set from a file, at most 1 MiB.
FetchJwks JwksFromFile(std::string path);

struct AuthenticatorOptions {
  JwtVerifyOptions verify;
  std::string hs256_secret;  // empty: HS256 tokens are refused
  std::string hs256_key_id;  // may be empty
  FetchJwks fetch_jwks;      // unset: RS256 and ES256 tokens are refused
  absl::Duration refresh_interval = absl::Minutes(10);
  /// A token with an unknown key has the keys fetched early, at most this often.
  absl::Duration min_refresh_interval = absl::Seconds(10);
  const Clock* clock = nullptr;  // unset: the system's
};

/// Turns bearer tokens into principals. Thread-safe; verifying never blocks on a fetch: a token
/// whose key is not known yet is refused, and the keys are fetched again in the background. A
/// failed fetch keeps the keys there are.
class Authenticator {
 public:
  /// Fetches the keys once. INVALID_ARGUMENT when neither a secret nor a source of keys is given;
  /// else the error of the secret or of the fetch.
  static absl::StatusOr<std::unique_ptr<Authenticator>> Create(AuthenticatorOptions options);
  ~Authenticator();

  /// UNAUTHENTICATED for a call without a valid token; PERMISSION_DENIED for a token without a role
  /// that we know.
  absl::StatusOr<Principal> Authenticate(const grpc::ServerContextBase& context);
  absl::StatusOr<Principal> AuthenticateToken(absl::string_view token);

 private:
  explicit Authenticator(AuthenticatorOptions options);
  absl::Status Refresh();
  void RefreshLoop(std::stop_token stop);
  absl::Time Now() const;
  std::shared_ptr<const JwtKeySet> keys();

  const AuthenticatorOptions options_;
  const SystemClock system_clock_;
  std::optional<JwtKeySet> secret_keys_;
  Mutex mutex_;
  CondVar wake_;
  std::shared_ptr<const JwtKeySet> keys_ ABSL_GUARDED_BY(mutex_);
  bool refresh_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread refresher_;
};

}  // namespace wissel::rpc
