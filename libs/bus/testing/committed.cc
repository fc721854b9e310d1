#include "libs/bus/testing/committed.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/bus/kafka_client.h"

namespace wissel::bus::testing {
namespace {

// A client that is in the group's name and in nothing else of it.
class Monitor final : public internal::ClientOwner {
 public:
  using ClientOwner::ClientOwner;

  absl::StatusOr<int64_t> Committed(absl::string_view group, Topic topic, int32_t partition) {
    WISSEL_ASSIGN_OR_RETURN(
        const internal::Client client,
        NewClient(RD_KAFKA_CONSUMER, {{"group.id", absl::StrCat(options().topic_prefix, group)}}));
    const internal::PartitionList list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), TopicName(topic, options().topic_prefix).c_str(),
                                      partition);
    WISSEL_RETURN_IF_ERROR(internal::ToStatus(
        rd_kafka_committed(client.get(), list.get(), internal::Millis(options().request_timeout)),
        "committed offset"));
    WISSEL_RETURN_IF_ERROR(internal::ToStatus(list->elems[0].err, "committed offset"));
    return list->elems[0].offset;
  }
};

}  // namespace

absl::StatusOr<int64_t> CommittedOffset(const KafkaOptions& options, absl::string_view group,
                                        Topic topic, int32_t partition) {
  return Monitor(std::make_shared<const KafkaOptions>(options)).Committed(group, topic, partition);
}

}  // namespace wissel::bus::testing
