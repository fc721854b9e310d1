#pragma once

#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"

namespace wissel {

// Names the calling thread, as debuggers and `top -H` show it. Linux keeps the first 15 bytes.
void SetThreadName(absl::string_view name);

// Starts a thread that calls `body`, with a std::stop_token if it takes one. `body` must not throw.
template <class Body>
std::jthread StartThread(absl::string_view name, Body body) {
  return std::jthread(
      [name = std::string(name), body = std::move(body)](std::stop_token stop) mutable {
        SetThreadName(name);
        if constexpr (std::is_invocable_v<Body&, std::stop_token>) {
          body(std::move(stop));
        } else {
          body();
        }
      });
}

}  // namespace wissel
