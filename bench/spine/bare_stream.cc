#include "bench/spine/bare_stream.h"

#include <grpcpp/grpcpp.h>

#include <deque>
#include <string>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/mutex.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"

namespace wissel::bench {
namespace {

using agent::v1::AgentService;
using agent::v1::ConnectRequest;
using agent::v1::ConnectResponse;

class Stream final : public grpc::ServerBidiReactor<ConnectRequest, ConnectResponse> {
 public:
  Stream() {
    ConnectResponse snapshot;
    snapshot.mutable_snapshot();
    Send(std::move(snapshot));
    StartRead(&request_);
  }

  void Send(ConnectResponse response) {
    MutexLock lock(mutex_);
    waiting_.push_back(std::move(response));
    if (waiting_.size() == 1) StartWrite(&waiting_.front());
  }

  void OnReadDone(bool ok) override {
    if (ok) StartRead(&request_);
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(mutex_);
    waiting_.pop_front();
    if (ok && !waiting_.empty()) StartWrite(&waiting_.front());
  }
  // There is one stream, and the process ends with it.
  void OnDone() override {}

 private:
  ConnectRequest request_;
  Mutex mutex_;
  std::deque<ConnectResponse> waiting_ ABSL_GUARDED_BY(mutex_);  // The first is being written.
};

}  // namespace

class BareStream::Impl final : public AgentService::CallbackService {
 public:
  explicit Impl(const BareHopOptions& options) : options_(options) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    WISSEL_CHECK(server_ != nullptr);
  }
  ~Impl() override { server_->Shutdown(); }

  int port() const { return port_; }

  void Run() {
    BareTail(options_, [this](absl::string_view value) {
      ConnectResponse response;
      response.mutable_events()
          ->add_events()
          ->mutable_message_received()
          ->mutable_message()
          ->set_provider_message_id(std::string(value));
      MutexLock lock(mutex_);
      if (stream_ != nullptr) stream_->Send(std::move(response));
      return true;
    });
  }

  grpc::ServerBidiReactor<ConnectRequest, ConnectResponse>* Connect(
      grpc::CallbackServerContext*) override {
    MutexLock lock(mutex_);
    WISSEL_CHECK(stream_ == nullptr) << "one stream at a time";
    stream_ = std::make_unique<Stream>();
    return stream_.get();
  }

 private:
  const BareHopOptions options_;
  int port_ = 0;
  Mutex mutex_;
  std::unique_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

BareStream::BareStream(const BareHopOptions& options) : impl_(std::make_unique<Impl>(options)) {}
BareStream::~BareStream() = default;
int BareStream::port() const { return impl_->port(); }
void BareStream::Run() { impl_->Run(); }

}  // namespace wissel::bench
