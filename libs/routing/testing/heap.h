#pragma once

#include <cstdint>

namespace wissel::routing::testing {

// Bytes in use, as the allocator that is linked in counts them.
int64_t HeapBytes();

}  // namespace wissel::routing::testing
