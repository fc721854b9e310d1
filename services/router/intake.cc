#include "services/router/intake.h"

#include <utility>

#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/telemetry/trace.h"

namespace wissel::router {

namespace {

// Of a header, which anybody may have written.
constexpr size_t kMaxTraceBytes = 256;

}  // namespace

absl::string_view TraceOf(const bus::Record& record) {
  const absl::string_view trace = bus::HeaderOf(record.headers, telemetry::kTraceParent);
  return trace.size() <= kMaxTraceBytes ? trace : "";
}

Intake::Intake(std::unique_ptr<bus::Reader> reader, const google::protobuf::Message& prototype,
               const Options& options, AheadWorker& worker)
    : reader_(std::move(reader)), prototype_(prototype), options_(options), worker_(worker) {}

Intake::~Intake() {
  if (ahead_ != nullptr) ahead_->done.Wait();
}

absl::StatusOr<Intake::Input*> Intake::Peek() {
  if (batch_->next == batch_->inputs.size()) {
    WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<Batch> next, NextBatch());
    std::swap(batch_, next);
    if (batch_->inputs.size() == options_.batch) ReadAhead(std::move(next));
  }
  return batch_->next < batch_->inputs.size() ? &batch_->inputs[batch_->next] : nullptr;
}

void Intake::Pop() { ++batch_->next; }

absl::StatusOr<std::unique_ptr<Intake::Batch>> Intake::NextBatch() {
  if (ahead_ == nullptr) return Read();
  ahead_->done.Wait();
  absl::StatusOr<std::unique_ptr<Batch>> batch = std::move(ahead_->batch);
  ahead_.reset();
  // What has come since then has woken us, perhaps before this was looked at.
  if (batch.ok() && (*batch)->inputs.empty()) return Read();
  return batch;
}

void Intake::ReadAhead(std::unique_ptr<Batch> used) {
  auto ahead = std::make_shared<Ahead>();
  std::shared_ptr<Batch> shared = std::move(used);
  if (worker_.TryRun([this, ahead, shared = std::move(shared)](NoTool&) mutable {
        shared.reset();
        ahead->batch = Read();
        ahead->done.Notify();
      })) {
    ahead_ = std::move(ahead);
  }
}

absl::StatusOr<std::unique_ptr<Intake::Batch>> Intake::Read() {
  WISSEL_ASSIGN_OR_RETURN(std::vector<bus::Record> records,
                          reader_->Poll(options_.batch, absl::ZeroDuration()));
  auto batch = std::make_unique<Batch>();
  batch->inputs.reserve(records.size());
  for (bus::Record& record : records) {
    Input& input = batch->inputs.emplace_back(std::move(record));
    if (static_cast<int64_t>(input.record.value.size()) > options_.max_bytes) continue;
    google::protobuf::Message* const message = prototype_.New(&batch->memory);
    if (message->ParseFromString(input.record.value)) input.message = message;
  }
  batch->behind = reader_->KnownEnd() - reader_->position();
  return batch;
}

absl::StatusOr<int64_t> Intake::SkipToStart() {
  WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader_->StartOffset());
  WISSEL_RETURN_IF_ERROR(reader_->Seek(start));
  return start;
}

}  // namespace wissel::router
