#include "libs/routing/testing/heap.h"

#include <malloc.h>

#include <cstddef>

#include "libs/base/check.h"

// jemalloc's, where it is linked in. The C library knows nothing of what that has given out.
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size, void* new_value,
                       size_t new_size) noexcept __attribute__((weak));

namespace wissel::routing::testing {

int64_t HeapBytes() {
  if (mallctl == nullptr) {
    return static_cast<int64_t>(mallinfo2().uordblks + mallinfo2().hblkhd);
  }
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  WISSEL_CHECK(mallctl("epoch", &epoch, &size, &epoch, size) == 0);
  size_t bytes = 0;
  size = sizeof(bytes);
  WISSEL_CHECK(mallctl("stats.allocated", &bytes, &size, nullptr, 0) == 0);
  return static_cast<int64_t>(bytes);
}

}  // namespace wissel::routing::testing
