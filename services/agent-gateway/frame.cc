#include "services/agent-gateway/frame.h"

#include <utility>

namespace wissel::agent_gateway {

FramePtr MakeFrame(const agent::v1::ConnectResponse& message, std::string cursor) {
  auto frame = std::make_shared<Frame>();
  frame->bytes = message.SerializeAsString();
  if (!cursor.empty()) frame->cursor = std::make_shared<const std::string>(std::move(cursor));
  frame->events = message.events().events_size();
  return frame;
}

}  // namespace wissel::agent_gateway
