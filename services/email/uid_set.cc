#include "services/email/uid_set.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"

namespace wissel::email {

void UidSet::Add(uint32_t uid) {
  auto next = ranges_.upper_bound(uid);
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (uid <= before->second) return;
    if (before->second + 1 == uid) {
      before->second = uid;
      if (next != ranges_.end() && next->first == uid + 1) {
        before->second = next->second;
        ranges_.erase(next);
      }
      return;
    }
  }
  if (next != ranges_.end() && next->first == uid + 1) {
    const uint32_t last = next->second;
    ranges_.erase(next);
    ranges_.emplace(uid, last);
    return;
  }
  ranges_.emplace(uid, uid);
}

bool UidSet::Contains(uint32_t uid) const {
  const auto next = ranges_.upper_bound(uid);
  return next != ranges_.begin() && uid <= std::prev(next)->second;
}

std::string UidSet::ToString() const {
  std::string text;
  for (const auto& [first, last] : ranges_) {
    absl::StrAppend(&text, text.empty() ? "" : ",", first);
    if (last != first) absl::StrAppend(&text, "-", last);
  }
  return text;
}

absl::StatusOr<UidSet> UidSet::Parse(absl::string_view text) {
  UidSet set;
  if (text.empty()) return set;
  uint64_t end = 0;  // one behind the last range
  for (const absl::string_view range : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> bounds = absl::StrSplit(range, '-');
    uint32_t first = 0;
    uint32_t last = 0;
    if (bounds.size() > 2 || !absl::SimpleAtoi(bounds.front(), &first) ||
        !absl::SimpleAtoi(bounds.back(), &last) || last < first || first < end || first == 0) {
      return absl::InvalidArgumentError(absl::StrCat("not a set of UIDs: ", range));
    }
    set.ranges_.emplace(first, last);
    end = uint64_t{last} + 2;
  }
  return set;
}

absl::StatusOr<DoneMarks> DoneMarks::Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  DoneMarks marks;
  if (!file) {
    if (errno == ENOENT) return marks;
    return absl::UnavailableError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  std::stringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  if (lines.size() != 3 || !lines[2].empty() || !absl::SimpleAtoi(lines[0], &marks.uid_validity)) {
    return absl::DataLossError(absl::StrCat(path, ": not a file of done messages"));
  }
  absl::StatusOr<UidSet> uids = UidSet::Parse(lines[1]);
  if (!uids.ok()) return absl::DataLossError(absl::StrCat(path, ": ", uids.status().message()));
  marks.uids = *std::move(uids);
  return marks;
}

absl::Status DoneMarks::Save(const std::string& path) const {
  const auto error = [&](absl::string_view what) {
    return absl::UnavailableError(absl::StrCat(path, ": ", what, ": ", std::strerror(errno)));
  };
  const std::string text = absl::StrCat(uid_validity, "\n", uids.ToString(), "\n");
  const std::string fresh = path + ".new";
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return error("open");
  {
    const absl::Cleanup close_fd = [fd] { close(fd); };
    absl::string_view left = text;
    while (!left.empty()) {
      const ssize_t written = write(fd, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return error("write");
      left.remove_prefix(static_cast<size_t>(written));
    }
    if (fsync(fd) != 0) return error("fsync");
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return error("rename");
  const std::string folder = path.substr(0, path.find_last_of('/'));
  const int folder_fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0) return error("open folder");
  const absl::Cleanup close_folder = [folder_fd] { close(folder_fd); };
  return fsync(folder_fd) == 0 ? absl::OkStatus() : error("fsync folder");
}

}  // namespace wissel::email
