#pragma once

#include <memory>
#include <string>

#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

/// A message for clients, in bytes: made once, and shared by all streams that send it.
struct Frame {
  std::string bytes;  // a ConnectResponse
  /// The place behind it in its routing group; null: it has none.
  std::shared_ptr<const std::string> cursor;
  int events = 0;
};
using FramePtr = std::shared_ptr<const Frame>;

/// `cursor`: empty where the message has none.
FramePtr MakeFrame(const agent::v1::ConnectResponse& message, std::string cursor);

}  // namespace wissel::agent_gateway
