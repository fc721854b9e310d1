#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/bus.h"

namespace wissel::testing {

// A bus whose broker is away: takes and gives nothing, and says `why`. What it may still know is
// how many partitions a topic of `known` has.
class AwayBus : public bus::Bus {
 public:
  explicit AwayBus(bus::Bus* known = nullptr,
                   absl::Status why = absl::UnavailableError("the broker is away"))
      : known_(known), why_(std::move(why)) {}

  absl::StatusOr<int> PartitionCount(bus::Topic topic) override {
    if (known_ == nullptr) return Away();
    return known_->PartitionCount(topic);
  }
  absl::StatusOr<std::optional<bus::TopicSettings>> SettingsOf(bus::Topic) override {
    return Away();
  }
  absl::Status EnsureTopics(const std::vector<bus::TopicSpec>&) override { return Away(); }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions) override {
    class Refusing : public bus::Appender {
     public:
      explicit Refusing(absl::Status why) : why_(std::move(why)) {}
      void Append(bus::Outgoing, Done done) override { done(why_); }
      absl::Status Admit(const bus::Outgoing&) const override { return absl::OkStatus(); }
      absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }

     private:
      const absl::Status why_;
    };
    return std::make_unique<Refusing>(why_);
  }
  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic, int32_t,
                                                          bus::ReaderOptions) override {
    return Away();
  }
  absl::StatusOr<std::unique_ptr<bus::Membership>> Join(absl::string_view, bus::Topic,
                                                        bus::MemberOptions) override {
    return Away();
  }
  absl::Status TruncateBefore(bus::Topic, int32_t, int64_t) override { return Away(); }
  absl::Status Health() override { return Away(); }

 private:
  absl::Status Away() const { return why_; }
  bus::Bus* const known_;
  const absl::Status why_;
};

// What can be read, but takes nothing: every append is answered with `why`.
class RefusingBus : public AwayBus {
 public:
  RefusingBus(bus::Bus& bus, absl::Status why) : AwayBus(&bus, std::move(why)), bus_(bus) {}

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    return bus_.OpenReader(topic, partition, std::move(options));
  }

 private:
  bus::Bus& bus_;
};

// A bus whose broker goes away while it is read: a topic's records before `from` can be read, and
// then none comes, without an error, as bus::Reader says.
class SilentBus : public AwayBus {
 public:
  SilentBus(bus::Bus& bus, bus::Topic topic, int64_t from)
      : AwayBus(&bus), bus_(bus), topic_(topic), from_(from) {}

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    auto reader = bus_.OpenReader(topic, partition, std::move(options));
    if (!reader.ok() || topic != topic_) return reader;
    return std::make_unique<SilentReader>(*std::move(reader), from_);
  }

 private:
  class SilentReader : public bus::Reader {
   public:
    SilentReader(std::unique_ptr<bus::Reader> reader, int64_t from)
        : reader_(std::move(reader)), from_(from) {}

    absl::StatusOr<std::vector<bus::Record>> Poll(size_t max, absl::Duration timeout) override {
      const int64_t left = from_ - position();
      if (left > 0) return reader_->Poll(std::min(max, static_cast<size_t>(left)), timeout);
      // Does not wait, so that a test need not. Whoever would ask for ever is told.
      if (++in_vain_ == 1000) return absl::InternalError("asked for ever");
      return std::vector<bus::Record>();
    }
    absl::Status Seek(int64_t offset) override { return reader_->Seek(offset); }
    int64_t position() const override { return reader_->position(); }
    absl::StatusOr<int64_t> StartOffset() override { return reader_->StartOffset(); }
    absl::StatusOr<int64_t> EndOffset() override { return reader_->EndOffset(); }

   private:
    const std::unique_ptr<bus::Reader> reader_;
    const int64_t from_;
    int in_vain_ = 0;
  };

  bus::Bus& bus_;
  const bus::Topic topic_;
  const int64_t from_;
};

}  // namespace wissel::testing
