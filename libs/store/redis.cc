#include "libs/store/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#ifdef WISSEL_HIREDIS_SSL
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif
#include <openssl/evp.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/hash.h"
#include "libs/base/hex.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"

namespace wissel::store {
namespace {

constexpr int kMaxMoves = 3;

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using ContextPtr = std::unique_ptr<redisContext, FreeContext>;
using ReplyPtr = std::unique_ptr<redisReply, FreeReply>;

// hiredis writes with write(2): a peer that is gone would end the process.
void IgnoreSigpipe() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
      signal(SIGPIPE, SIG_IGN);
    }
  });
}

RedisError ErrorOf(const redisContext& context) {
  switch (context.err) {
    case REDIS_ERR_IO:
      return errno == EAGAIN || errno == EWOULDBLOCK || errno == ETIMEDOUT
                 ? RedisError::kTimeout
                 : RedisError::kConnection;
    case REDIS_ERR_EOF:
      return RedisError::kConnection;
    case REDIS_ERR_PROTOCOL:
      return RedisError::kProtocol;
    case REDIS_ERR_OOM:
      return RedisError::kClientMemory;
    case REDIS_ERR_OTHER:
      return RedisError::kConnection;
  }
  return RedisError::kConnection;
}

Reply Convert(const redisReply& from) {
  Reply to;
  switch (from.type) {
    case REDIS_REPLY_STRING:
      to.kind = Reply::Kind::kString;
      to.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_STATUS:
      to.kind = Reply::Kind::kSimple;
      to.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_ERROR:
      to.kind = Reply::Kind::kError;
      to.text.assign(from.str, from.len);
      break;
    case REDIS_REPLY_INTEGER:
      to.kind = Reply::Kind::kInteger;
      to.integer = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      to.kind = Reply::Kind::kArray;
      to.elements.reserve(from.elements);
      for (size_t i = 0; i < from.elements; ++i) to.elements.push_back(Convert(*from.element[i]));
      break;
    case REDIS_REPLY_NIL:
    default:
      to.kind = Reply::Kind::kNil;
      break;
  }
  return to;
}

struct HostPort {
  std::string host;
  int port = 0;
};

bool IsPath(absl::string_view address) { return address.find('/') != absl::string_view::npos; }

// "[::1]:6379" and "host:6379"; Redis Cluster writes IPv6 without brackets: the last colon counts.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  HostPort result;
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &result.port) || result.port < 1 ||
      result.port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected host:port or the path of a unix socket, got \"", address, "\""));
  }
  absl::string_view host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  result.host = std::string(host);
  return result;
}

// The address of "MOVED 3999 127.0.0.1:6381", nothing for any other reply.
std::optional<std::string> MovedTo(const Reply& reply) {
  if (!reply.error() || ClassifyError(reply.text) != RedisError::kMoved) return std::nullopt;
  const std::vector<std::string> words = absl::StrSplit(reply.text, ' ');
  if (words.size() != 3 || !ParseHostPort(words[2]).ok()) return std::nullopt;
  return words[2];
}

// What a server answers that is no longer the primary.
bool IsFromReplica(const Reply& reply) {
  if (!reply.error()) return false;
  const RedisError error = ClassifyError(reply.text);
  return error == RedisError::kReadOnly || error == RedisError::kMasterDown;
}

std::string Sha1Hex(absl::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  return HexEncode(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

#ifdef WISSEL_HIREDIS_SSL
struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* session) const { SSL_free(session); }
};
using TlsContextPtr = std::unique_ptr<SSL_CTX, FreeTls>;

// Our own, as hiredis's shows no way to have a certificate's name checked.
absl::StatusOr<TlsContextPtr> NewTlsContext(const RedisTls& tls) {
  ERR_clear_error();
  TlsContextPtr context(SSL_CTX_new(TLS_client_method()));
  const bool usable =
      context != nullptr && SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) == 1 &&
      (tls.ca_file.empty()
           ? SSL_CTX_set_default_verify_paths(context.get())
           : SSL_CTX_load_verify_locations(context.get(), tls.ca_file.c_str(), nullptr)) == 1 &&
      (tls.certificate_file.empty() ||
       (SSL_CTX_use_certificate_chain_file(context.get(), tls.certificate_file.c_str()) == 1 &&
        SSL_CTX_use_PrivateKey_file(context.get(), tls.private_key_file.c_str(),
                                    SSL_FILETYPE_PEM) == 1));
  if (!usable) {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    return absl::InvalidArgumentError(
        absl::StrCat("Redis: TLS: ", reason == nullptr ? "unusable" : reason));
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

// Has the certificate's name, or address, checked in the handshake (RFC 6125, section 6).
bool ExpectName(SSL& session, const std::string& name) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(&session), name.c_str()) == 1) return true;
  return SSL_set1_host(&session, name.c_str()) == 1 &&
         SSL_set_tlsext_host_name(&session, name.c_str()) == 1;
}
#endif

}  // namespace

bool RedisTlsAvailable() {
#ifdef WISSEL_HIREDIS_SSL
  return true;
#else
  return false;
#endif
}

absl::Status CheckRedisOptions(const RedisOptions& options) {
  if (!IsPath(options.address)) {
    WISSEL_RETURN_IF_ERROR(ParseHostPort(options.address).status());
  }
  if (options.tls.has_value() && !RedisTlsAvailable()) {
    return absl::InvalidArgumentError(
        "TLS to Redis is not in this build: it needs hiredis 1.0 or later with hiredis_ssl");
  }
  if (options.tls.has_value() && IsPath(options.address)) {
    return absl::InvalidArgumentError("TLS to Redis is for host:port, not for a unix socket");
  }
  return absl::OkStatus();
}

Script::Script(std::string text) : text_(std::move(text)), sha1_(Sha1Hex(text_)) {}

// One node.
class Redis::Connection {
 public:
  Connection(const RedisOptions& options, std::string address)
      : options_(options),
        address_(std::move(address)),
        backoff_(options.backoff, StableHash64(address_) ^ reinterpret_cast<uintptr_t>(this)) {}

  absl::StatusOr<std::vector<Reply>> Send(absl::Span<const Command> commands) {
    WISSEL_RETURN_IF_ERROR(EnsureConnected());
    return Exchange(commands);
  }

 private:
  absl::Status EnsureConnected() {
    if (context_ != nullptr && !PeerIsGone()) return absl::OkStatus();
    context_.reset();
    if (!until_retry_.Expired()) return last_failure_;
    absl::Status status = Connect();
    if (status.ok()) {
      backoff_.Reset();
    } else {
      context_.reset();
      last_failure_ = status;
      until_retry_ = Timeout(backoff_.Next());
    }
    return status;
  }

  // Whether the server has closed the connection since the last call, as a restart does. A command
  // must not be lost to that.
  bool PeerIsGone() const {
    char byte;
    const ssize_t n = recv(context_->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) || n > 0;
  }

  absl::Status Connect() {
    WISSEL_RETURN_IF_ERROR(CheckRedisOptions(options_));
    const timeval timeout = absl::ToTimeval(options_.connect_timeout);
    if (IsPath(address_)) {
      context_.reset(redisConnectUnixWithTimeout(address_.c_str(), timeout));
    } else {
      WISSEL_ASSIGN_OR_RETURN(const HostPort target, ParseHostPort(address_));
      context_.reset(redisConnectWithTimeout(target.host.c_str(), target.port, timeout));
    }
    if (context_ == nullptr) return ToStatus(RedisError::kClientMemory, "no memory");
    if (context_->err != 0) return Failure("cannot connect");
    if (!IsPath(address_)) redisEnableKeepAlive(context_.get());
    redisSetTimeout(context_.get(), absl::ToTimeval(options_.command_timeout));
    WISSEL_RETURN_IF_ERROR(StartTls());

    std::vector<Command> greeting;
    if (!options_.password.empty()) {
      Command auth = {"AUTH"};
      if (!options_.username.empty()) auth.push_back(options_.username);
      auth.push_back(options_.password);
      greeting.push_back(std::move(auth));
    }
    if (options_.database != 0) greeting.push_back({"SELECT", absl::StrCat(options_.database)});
    greeting.push_back({"PING"});
    WISSEL_ASSIGN_OR_RETURN(const std::vector<Reply> replies, Exchange(greeting));
    for (const Reply& reply : replies) WISSEL_RETURN_IF_ERROR(reply.status());
    return absl::OkStatus();
  }

  absl::Status StartTls() {
#ifdef WISSEL_HIREDIS_SSL
    if (!options_.tls.has_value()) return absl::OkStatus();
    if (tls_ == nullptr) {
      WISSEL_ASSIGN_OR_RETURN(tls_, NewTlsContext(*options_.tls));
    }
    std::string name = options_.tls->server_name;
    if (name.empty()) {
      WISSEL_ASSIGN_OR_RETURN(const HostPort target, ParseHostPort(address_));
      name = target.host;
    }
    std::unique_ptr<SSL, FreeTls> session(SSL_new(tls_.get()));
    if (session == nullptr || !ExpectName(*session, name)) {
      return ToStatus(RedisError::kClientMemory, absl::StrCat("no TLS session with ", name));
    }
    if (redisInitiateSSL(context_.get(), session.get()) != REDIS_OK) {
      return Failure("TLS handshake");
    }
    session.release();  // The connection's now.
#endif
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Reply>> Exchange(absl::Span<const Command> commands) {
    std::vector<const char*> argv;
    std::vector<size_t> sizes;
    for (const Command& command : commands) {
      argv.clear();
      sizes.clear();
      for (const std::string& argument : command) {
        argv.push_back(argument.data());
        sizes.push_back(argument.size());
      }
      if (redisAppendCommandArgv(context_.get(), static_cast<int>(argv.size()), argv.data(),
                                 sizes.data()) != REDIS_OK) {
        return Broken("cannot send");
      }
    }
    std::vector<Reply> replies;
    replies.reserve(commands.size());
    for (size_t i = 0; i < commands.size(); ++i) {
      void* raw = nullptr;
      errno = 0;
      if (redisGetReply(context_.get(), &raw) != REDIS_OK) return Broken("no reply");
      const ReplyPtr reply(static_cast<redisReply*>(raw));
      replies.push_back(Convert(*reply));
    }
    // The name may lead to another server by now, which only a new connection finds out.
    if (std::any_of(replies.begin(), replies.end(), IsFromReplica)) context_.reset();
    return replies;
  }

  absl::Status Failure(absl::string_view doing) const {
    const RedisError error = ErrorOf(*context_);
    return ToStatus(error,
                    absl::StrCat(address_, ": ", doing, ": ",
                                 error == RedisError::kTimeout ? "timed out" : context_->errstr));
  }

  // Replies can no longer be told apart from one another: the connection ends here.
  absl::Status Broken(absl::string_view doing) {
    absl::Status status = Failure(doing);
    context_.reset();
    return status;
  }

  const RedisOptions& options_;
  const std::string address_;
#ifdef WISSEL_HIREDIS_SSL
  TlsContextPtr tls_;
#endif
  ContextPtr context_;
  Backoff backoff_;
  Timeout until_retry_{absl::ZeroDuration()};
  absl::Status last_failure_;
};

Redis::Redis(RedisOptions options) : options_(std::move(options)) { IgnoreSigpipe(); }
Redis::~Redis() = default;

Redis::Connection& Redis::ConnectionTo(const std::string& address) {
  std::unique_ptr<Connection>& connection = connections_[address];
  if (connection == nullptr) connection = std::make_unique<Connection>(options_, address);
  return *connection;
}

absl::StatusOr<std::vector<Reply>> Redis::Pipeline(absl::string_view hash_tag,
                                                   absl::Span<const Command> commands) {
  for (int move = 0;; ++move) {
    const auto known = moved_.find(hash_tag);
    const std::string address = known == moved_.end() ? options_.address : known->second;
    auto replies = ConnectionTo(address).Send(commands);
    if (!replies.ok()) {
      // The node may be gone for good, its slots with another: ask the configured address again.
      if (known != moved_.end()) moved_.erase(known);
      return replies;
    }
    std::optional<std::string> target;
    bool ran = false;
    for (size_t i = 0; i < replies->size(); ++i) {
      const Reply& reply = (*replies)[i];
      if (std::optional<std::string> to = MovedTo(reply)) target = std::move(to);
      // Any node accepts MULTI, and refuses EXEC after it refused what stood between.
      if (!reply.error() && commands[i][0] != "MULTI") ran = true;
    }
    if (!target.has_value()) return replies;
    moved_.insert_or_assign(std::string(hash_tag), *target);
    if (ran || move == kMaxMoves) return replies;
  }
}

absl::StatusOr<Reply> Redis::Run(absl::string_view hash_tag, Command command) {
  const Command commands[] = {std::move(command)};
  WISSEL_ASSIGN_OR_RETURN(std::vector<Reply> replies, Pipeline(hash_tag, commands));
  WISSEL_RETURN_IF_ERROR(replies[0].status());
  return std::move(replies[0]);
}

absl::StatusOr<Reply> Redis::RunScript(absl::string_view hash_tag, const Script& script,
                                       const std::vector<std::string>& keys,
                                       std::vector<std::string> arguments) {
  std::vector<Command> commands(1);
  Command& command = commands[0];
  command = {"EVALSHA", script.sha1(), absl::StrCat(keys.size())};
  command.reserve(3 + keys.size() + arguments.size());
  command.insert(command.end(), keys.begin(), keys.end());
  std::move(arguments.begin(), arguments.end(), std::back_inserter(command));
  WISSEL_ASSIGN_OR_RETURN(std::vector<Reply> replies, Pipeline(hash_tag, commands));
  if (replies[0].error() && ClassifyError(replies[0].text) == RedisError::kNoScript) {
    command[0] = "EVAL";
    command[1] = script.text();
    WISSEL_ASSIGN_OR_RETURN(replies, Pipeline(hash_tag, commands));
  }
  WISSEL_RETURN_IF_ERROR(replies[0].status());
  return std::move(replies[0]);
}

absl::Status Redis::Ping() { return Run("", {"PING"}).status(); }

}  // namespace wissel::store
