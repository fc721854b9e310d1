#pragma once

#include <gmime/gmime.h>

#include <memory>

namespace wissel::email {

// Owning pointers for GMime's objects and strings. For mime.cc and compose.cc only: no other file
// includes GMime.
struct GObjectUnref {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <class T>
using GObjectPtr = std::unique_ptr<T, GObjectUnref>;

// Once for the process; thread-safe.
inline void InitGMime() {
  static const bool done = (g_mime_init(), true);
  static_cast<void>(done);
}

}  // namespace wissel::email
