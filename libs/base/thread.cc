#include "libs/base/thread.h"

#include <pthread.h>

namespace wissel {

void SetThreadName(absl::string_view name) {
  pthread_setname_np(pthread_self(), std::string(name.substr(0, 15)).c_str());
}

}  // namespace wissel
