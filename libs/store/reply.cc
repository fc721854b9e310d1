#include "libs/store/reply.h"

#include "absl/strings/str_cat.h"

namespace wissel::store {
namespace {

absl::string_view KindName(Reply::Kind kind) {
  switch (kind) {
    case Reply::Kind::kNil:
      return "nil";
    case Reply::Kind::kInteger:
      return "an integer";
    case Reply::Kind::kString:
      return "a string";
    case Reply::Kind::kSimple:
      return "a simple string";
    case Reply::Kind::kError:
      return "an error";
    case Reply::Kind::kArray:
      return "an array";
  }
  return "";
}

absl::Status Unexpected(absl::string_view wanted, const Reply& reply) {
  if (reply.error()) return reply.status();
  return absl::InternalError(
      absl::StrCat("Redis: expected ", wanted, ", got ", KindName(reply.kind)));
}

}  // namespace

RedisError ClassifyError(absl::string_view error_reply) {
  struct Word {
    absl::string_view text;
    RedisError error;
  };
  constexpr Word kWords[] = {
      {"NOSCRIPT", RedisError::kNoScript},
      {"MOVED", RedisError::kMoved},
      {"ASK", RedisError::kAsk},
      {"TRYAGAIN", RedisError::kAsk},
      {"CLUSTERDOWN", RedisError::kClusterDown},
      {"LOADING", RedisError::kLoading},
      {"READONLY", RedisError::kReadOnly},
      {"MASTERDOWN", RedisError::kMasterDown},
      {"MISCONF", RedisError::kMisconfigured},
      {"NOREPLICAS", RedisError::kTooFewReplicas},
      {"OOM", RedisError::kServerMemory},
      {"BUSY", RedisError::kBusy},
      {"NOAUTH", RedisError::kUnauthenticated},
      {"WRONGPASS", RedisError::kUnauthenticated},
      {"NOPERM", RedisError::kNoPermission},
      {"WRONGTYPE", RedisError::kWrongType},
      {"EXECABORT", RedisError::kAborted},
  };
  const absl::string_view first = error_reply.substr(0, error_reply.find(' '));
  for (const Word& word : kWords) {
    if (word.text == first) return word.error;
  }
  return RedisError::kOther;
}

absl::Status ToStatus(RedisError error, absl::string_view detail) {
  const std::string text = absl::StrCat("Redis: ", detail);
  switch (error) {
    case RedisError::kConnection:
    case RedisError::kTimeout:
    case RedisError::kProtocol:
    case RedisError::kMoved:
    case RedisError::kAsk:
    case RedisError::kClusterDown:
    case RedisError::kLoading:
    case RedisError::kReadOnly:
    case RedisError::kMasterDown:
    case RedisError::kMisconfigured:
    case RedisError::kTooFewReplicas:
    case RedisError::kBusy:
      return absl::UnavailableError(text);
    case RedisError::kClientMemory:
    case RedisError::kServerMemory:
      return absl::ResourceExhaustedError(text);
    case RedisError::kNoScript:
      return absl::NotFoundError(text);
    case RedisError::kUnauthenticated:
      return absl::UnauthenticatedError(text);
    case RedisError::kNoPermission:
      return absl::PermissionDeniedError(text);
    case RedisError::kWrongType:
    case RedisError::kAborted:
    case RedisError::kOther:
      return absl::InternalError(text);
  }
  return absl::InternalError(text);
}

absl::Status Reply::status() const {
  if (!error()) return absl::OkStatus();
  return ToStatus(ClassifyError(text), text);
}

absl::StatusOr<int64_t> Reply::AsInteger() const {
  if (kind != Kind::kInteger) return Unexpected("an integer", *this);
  return integer;
}

absl::StatusOr<absl::string_view> Reply::AsString() const {
  if (nil()) return absl::NotFoundError("Redis: no such key or field");
  if (kind != Kind::kString && kind != Kind::kSimple) return Unexpected("a string", *this);
  return absl::string_view(text);
}

absl::StatusOr<const std::vector<Reply>*> Reply::AsArray() const {
  if (kind != Kind::kArray) return Unexpected("an array", *this);
  return &elements;
}

}  // namespace wissel::store
