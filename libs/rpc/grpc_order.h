#pragma once

#include "absl/base/config.h"

#ifdef ABSL_HAVE_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace wissel::rpc {

// What was done before a call was handed to gRPC (its next operation started, or its reactor
// returned) happens before the reaction that follows, on whatever thread. gRPC comes without
// instrumentation, so ThreadSanitizer is told; in other builds these do nothing. `call` is the
// reactor.
inline void HandToGrpc([[maybe_unused]] void* call) {
#ifdef ABSL_HAVE_THREAD_SANITIZER
  __tsan_release(call);
#endif
}
// First thing in a reaction.
inline void TakeFromGrpc([[maybe_unused]] void* call) {
#ifdef ABSL_HAVE_THREAD_SANITIZER
  __tsan_acquire(call);
#endif
}

}  // namespace wissel::rpc
