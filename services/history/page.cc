#include "services/history/page.h"

#include <cmath>
#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/base64.h"

namespace wissel::history {
namespace {

constexpr int kDefaultSize = 50;
constexpr int kLargestSize = 500;
constexpr size_t kAnswerBytes = 3 << 20;
constexpr char kSeparator = '|';

}  // namespace

absl::StatusOr<int> PageSize(int asked) {
  if (asked == 0) return kDefaultSize;
  if (asked < 1 || asked > kLargestSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size: ", asked, "; from 1 to ", kLargestSize));
  }
  return asked;
}

bool Room::Take(const google::protobuf::MessageLite& item) {
  const size_t bytes = item.ByteSizeLong();
  if (taken_ > 0 && taken_ + bytes > kAnswerBytes) return false;
  taken_ += bytes;
  return true;
}

std::string MakePageToken(const views::Cursor& cursor) {
  char score[32];
  snprintf(score, sizeof(score), "%.17g", cursor.score);
  return Base64UrlEncode(absl::StrCat(score, std::string(1, kSeparator), cursor.id));
}

absl::StatusOr<std::optional<views::Cursor>> ReadPageToken(absl::string_view token) {
  if (token.empty()) return std::nullopt;
  const absl::Status bad = absl::InvalidArgumentError("page_token: not one of ours");
  const absl::StatusOr<std::string> text = Base64UrlDecode(token);
  if (!text.ok()) return bad;
  const size_t separator = text->find(kSeparator);
  views::Cursor cursor;
  if (separator == std::string::npos ||
      !absl::SimpleAtod(text->substr(0, separator), &cursor.score) ||
      !std::isfinite(cursor.score)) {
    return bad;
  }
  cursor.id = text->substr(separator + 1);
  return cursor;
}

}  // namespace wissel::history
