#include "libs/views/keys.h"

#include "absl/strings/str_cat.h"

namespace wissel::views {

PartitionKeys::PartitionKeys(int32_t partition, absl::string_view prefix)
    : partition_(partition),
      tag_(absl::StrCat("p", partition)),
      prefix_(absl::StrCat(prefix, ":{", tag_, "}:")) {}

std::string PartitionKeys::Key(absl::string_view a, absl::string_view b) const {
  return absl::StrCat(prefix_, a, b);
}

std::string PartitionKeys::Waiting(absl::string_view group, absl::string_view queue) const {
  return absl::StrCat(prefix_, "waiting:", group, "/", queue);
}
std::string PartitionKeys::Offered(absl::string_view group, absl::string_view queue) const {
  return absl::StrCat(prefix_, "offered:", group, "/", queue);
}
std::string PartitionKeys::Active(absl::string_view group, absl::string_view queue) const {
  return absl::StrCat(prefix_, "active:", group, "/", queue);
}
std::string PartitionKeys::WithStatus(int status, absl::string_view group) const {
  return absl::StrCat(prefix_, "status", status, ":", group);
}
std::string PartitionKeys::Contact(absl::string_view workspace, absl::string_view contact) const {
  return absl::StrCat(prefix_, "contact:", workspace, "/", contact);
}
std::string PartitionKeys::Work(absl::string_view workspace, absl::string_view agent) const {
  return absl::StrCat(prefix_, "work:", workspace, "/", agent);
}

}  // namespace wissel::views
