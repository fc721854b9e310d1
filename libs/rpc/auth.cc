#include "libs/rpc/auth.h"

#include <array>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/rpc/metadata.h"

namespace wissel::rpc {
namespace {

constexpr size_t kMaxJwksBytes = 1 << 20;
constexpr std::array kAllRoles = {Role::kAgent, Role::kSupervisor, Role::kAdmin, Role::kBot,
                                  Role::kIntegrator};

}  // namespace

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kAgent:
      return "agent";
    case Role::kSupervisor:
      return "supervisor";
    case Role::kAdmin:
      return "admin";
    case Role::kBot:
      return "bot";
    case Role::kIntegrator:
      return "integrator";
  }
  return "";
}

std::optional<Role> RoleFromName(absl::string_view name) {
  for (Role role : kAllRoles) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

absl::Status RequireRole(const Principal& principal, std::initializer_list<Role> any) {
  if (principal.roles.HasAny(Roles(any))) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("this needs the role ", absl::StrJoin(any, " or ", [](std::string* out, Role r) {
                     absl::StrAppend(out, RoleName(r));
                   })));
}

absl::Status RequireWorkspace(const Principal& principal, const WorkspaceId& workspace) {
  if (principal.workspace == workspace) return absl::OkStatus();
  return absl::PermissionDeniedError("the token is for another workspace");
}

FetchJwks JwksFromFile(std::string path) {
  return [path = std::move(path)]() -> absl::StatusOr<std::string> {
    std::ifstream file(path, std::ios::binary);
    std::string text;
    char buffer[4096];
    while (file.read(buffer, sizeof(buffer)), file.gcount() > 0) {
      text.append(buffer, static_cast<size_t>(file.gcount()));
      if (text.size() > kMaxJwksBytes) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": larger than 1 MiB"));
      }
    }
    if (text.empty()) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
    return text;
  };
}

absl::StatusOr<std::unique_ptr<Authenticator>> Authenticator::Create(AuthenticatorOptions options) {
  if (options.hs256_secret.empty() && !options.fetch_jwks) {
    return absl::InvalidArgumentError("neither a secret nor a key set to verify tokens with");
  }
  std::unique_ptr<Authenticator> authenticator(new Authenticator(std::move(options)));
  if (!authenticator->options_.hs256_secret.empty()) {
    WISSEL_ASSIGN_OR_RETURN(authenticator->secret_keys_,
                            JwtKeySet::FromSecret(authenticator->options_.hs256_secret,
                                                  authenticator->options_.hs256_key_id));
  }
  WISSEL_RETURN_IF_ERROR(authenticator->Refresh());
  if (authenticator->options_.fetch_jwks) {
    authenticator->refresher_ = StartThread(
        "jwks", [self = authenticator.get()](std::stop_token stop) { self->RefreshLoop(stop); });
  }
  return authenticator;
}

Authenticator::Authenticator(AuthenticatorOptions options) : options_(std::move(options)) {}

Authenticator::~Authenticator() {
  MutexLock lock(mutex_);
  stopping_ = true;
  wake_.NotifyAll();
}

absl::Time Authenticator::Now() const {
  return options_.clock != nullptr ? options_.clock->Now() : system_clock_.Now();
}

std::shared_ptr<const JwtKeySet> Authenticator::keys() {
  MutexLock lock(mutex_);
  return keys_;
}

absl::Status Authenticator::Refresh() {
  JwtKeySet set = secret_keys_.value_or(JwtKeySet());
  if (options_.fetch_jwks) {
    absl::StatusOr<std::string> text = options_.fetch_jwks();
    if (!text.ok()) return Annotate(text.status(), "fetching the key set");
    WISSEL_ASSIGN_OR_RETURN(const JwtKeySet fetched, JwtKeySet::FromJwks(*text));
    set = JwtKeySet::Merge(set, fetched);
  }
  MutexLock lock(mutex_);
  keys_ = std::make_shared<const JwtKeySet>(std::move(set));
  return absl::OkStatus();
}

void Authenticator::RefreshLoop(std::stop_token /*stop*/) {
  while (true) {
    {
      const Timeout interval(options_.refresh_interval);
      const Timeout min_interval(options_.min_refresh_interval);
      MutexLock lock(mutex_);
      while (!stopping_ && !interval.Expired() && !(refresh_wanted_ && min_interval.Expired())) {
        wake_.WaitFor(mutex_, refresh_wanted_ ? min_interval.Remaining() : interval.Remaining());
      }
      if (stopping_) return;
      refresh_wanted_ = false;
    }
    // A failure is not fatal: the keys that are there stay good, and the next interval tries again.
    Refresh().IgnoreError();
  }
}

absl::StatusOr<Principal> Authenticator::Authenticate(const grpc::ServerContextBase& context) {
  const absl::string_view token = BearerToken(context);
  if (token.empty()) return absl::UnauthenticatedError("the call carries no bearer token");
  return AuthenticateToken(token);
}

absl::StatusOr<Principal> Authenticator::AuthenticateToken(absl::string_view token) {
  absl::StatusOr<Claims> claims = VerifyJwt(token, *keys(), options_.verify, Now());
  if (absl::IsNotFound(claims.status())) {
    MutexLock lock(mutex_);
    refresh_wanted_ = true;
    wake_.NotifyAll();
    return absl::UnauthenticatedError(claims.status().message());
  }
  WISSEL_RETURN_IF_ERROR(claims.status());
  Principal principal{.subject = claims->subject,
                      .workspace = WorkspaceId(claims->workspace),
                      .routing_group = RoutingGroupId(claims->routing_group),
                      .agent = AgentId(claims->agent),
                      .roles = {},
                      .expires_at = claims->expires_at + options_.verify.leeway};
  for (const std::string& name : claims->roles) {
    // Names that mean something to others only are not our concern.
    if (const auto role = RoleFromName(name)) principal.roles.Add(*role);
  }
  if (principal.roles.empty()) return absl::PermissionDeniedError("the token carries no role");
  return principal;
}

}  // namespace wissel::rpc
