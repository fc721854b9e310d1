#include "libs/bus/content_type.h"

#include "absl/strings/str_cat.h"

namespace wissel::bus {

std::pair<std::string, std::string> ContentTypeHeader(absl::string_view message_full_name) {
  return {"content-type",
          absl::StrCat("application/x-protobuf; messageType=\"", message_full_name, "\"")};
}

}  // namespace wissel::bus
