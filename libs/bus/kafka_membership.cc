#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/bus/kafka_client.h"

namespace wissel::bus::internal {
namespace {

class KafkaMembership final : public Membership, public ClientOwner {
 public:
  KafkaMembership(std::shared_ptr<const KafkaOptions> options, Topic topic,
                  std::shared_ptr<Wakeup> wakeup)
      : ClientOwner(std::move(options)),
        topic_(TopicName(topic, ClientOwner::options().topic_prefix)),
        wakeup_(std::move(wakeup)) {}

  ~KafkaMembership() override {
    if (client_ == nullptr) return;
    if (queue_ != nullptr) SilenceQueue(queue_.get());
    queue_.reset();
    // A client that is told of an assignment while it closes may wait for ever (2.0.2;
    // github.com/confluentinc/librdkafka/issues/4527). So it leaves first, and hears the group out.
    rd_kafka_unsubscribe(client_.get());
    const Timeout limit(kLeaveTimeout);
    while (!limit.Expired()) {
      const MessagePtr message(rd_kafka_consumer_poll(client_.get(), Millis(kLeavePoll)));
      if (message == nullptr && !HasAssignment()) break;
    }
    rd_kafka_consumer_close(client_.get());
  }

  absl::Status Open(absl::string_view group, absl::Duration session_timeout) {
    const int session_ms = Millis(session_timeout);
    const Settings settings = {
        {"group.id", absl::StrCat(options().topic_prefix, group)},
        {"session.timeout.ms", absl::StrCat(session_ms)},
        // A member that hangs is gone like one that is dead.
        {"max.poll.interval.ms", absl::StrCat(session_ms)},
        {"heartbeat.interval.ms", absl::StrCat(std::max(session_ms / 20, 100))},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"allow.auto.create.topics", "false"},
    };
    WISSEL_ASSIGN_OR_RETURN(client_, NewClient(RD_KAFKA_CONSUMER, settings, [](rd_kafka_conf_t* c) {
                              rd_kafka_conf_set_rebalance_cb(c, &KafkaMembership::OnRebalance);
                            }));
    rd_kafka_poll_set_consumer(client_.get());
    if (wakeup_ != nullptr) {
      queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
      NotifyOn(queue_.get(), wakeup_.get());
    }
    const PartitionList topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), topic_.c_str(), RD_KAFKA_PARTITION_UA);
    return ToStatus(rd_kafka_subscribe(client_.get(), topics.get()),
                    absl::StrCat("join ", group, " on ", topic_));
  }

  absl::StatusOr<Assignment> Poll(absl::Duration timeout) override {
    const Timeout limit(timeout);
    while (true) {
      const MessagePtr message(rd_kafka_consumer_poll(client_.get(), Millis(limit.Remaining())));
      if (!change_.empty()) return std::exchange(change_, Assignment());
      if (message != nullptr && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        absl::Status status = ToStatus(message->err, absl::StrCat("group on ", topic_));
        if (!standing_.ok()) standing_ = status;
        if (!absl::IsUnavailable(status)) return status;
      }
      if (message == nullptr && limit.Expired()) return Assignment();
    }
  }

  absl::Status standing() const override { return standing_; }

  void CommitForMonitoring(const std::vector<Progress>& progress) override {
    const PartitionList list(rd_kafka_topic_partition_list_new(static_cast<int>(progress.size())));
    for (const Progress& p : progress) {
      rd_kafka_topic_partition_list_add(
          list.get(), TopicName(p.topic, options().topic_prefix).c_str(), p.partition)
          ->offset = p.next;
    }
    rd_kafka_commit(client_.get(), list.get(), /*async=*/1);
  }

 private:
  static constexpr absl::Duration kLeaveTimeout = absl::Seconds(5);
  static constexpr absl::Duration kLeavePoll = absl::Milliseconds(10);

  bool HasAssignment() const {
    rd_kafka_topic_partition_list_t* list = nullptr;
    if (rd_kafka_assignment(client_.get(), &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    const PartitionList assigned(list);
    return assigned->cnt > 0;
  }

  static void OnRebalance(rd_kafka_t* client, rd_kafka_resp_err_t error,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque) {
    auto* self = static_cast<KafkaMembership*>(static_cast<ClientOwner*>(opaque));
    const bool assigned = error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    // Nothing is read through the group: at the end and paused.
    for (int i = 0; i < partitions->cnt; ++i) partitions->elems[i].offset = RD_KAFKA_OFFSET_END;
    using Error = Handle<rd_kafka_error_t, rd_kafka_error_destroy>;
    if (absl::string_view(rd_kafka_rebalance_protocol(client)) == "COOPERATIVE") {
      const Error ignored(assigned ? rd_kafka_incremental_assign(client, partitions)
                                   : rd_kafka_incremental_unassign(client, partitions));
    } else {
      rd_kafka_assign(client, assigned ? partitions : nullptr);
    }
    if (assigned) rd_kafka_pause_partitions(client, partitions);
    // Whoever gets nothing is told so, too.
    if (assigned) self->standing_ = absl::OkStatus();
    if (!assigned && rd_kafka_assignment_lost(client)) {
      self->standing_ = absl::UnavailableError("the group has given it up");
    }
    for (int i = 0; i < partitions->cnt; ++i) {
      self->Note(partitions->elems[i].partition, assigned);
    }
  }

  // Revoked before assigned is what the caller sees; a partition that came and went between two
  // calls is not worth telling.
  void Note(int32_t partition, bool assigned) {
    if (assigned) {
      change_.assigned.push_back(partition);
      return;
    }
    const auto untold = std::find(change_.assigned.begin(), change_.assigned.end(), partition);
    if (untold != change_.assigned.end()) {
      change_.assigned.erase(untold);
    } else {
      change_.revoked.push_back(partition);
    }
  }

  const std::string topic_;
  const std::shared_ptr<Wakeup> wakeup_;
  Assignment change_;
  // Once it is OK only a loss changes it: the client mends everything else by itself.
  absl::Status standing_ = absl::UnavailableError("not in the group yet");
  Client client_;
  Queue queue_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Membership>> JoinKafkaGroup(
    std::shared_ptr<const KafkaOptions> options, absl::string_view group, Topic topic,
    MemberOptions member_options) {
  auto membership = std::make_unique<KafkaMembership>(std::move(options), topic,
                                                      std::move(member_options.wakeup));
  WISSEL_RETURN_IF_ERROR(membership->Open(group, member_options.session_timeout));
  return membership;
}

}  // namespace wissel::bus::internal
