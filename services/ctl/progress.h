#pragma once

#include <string>

#include "absl/time/time.h"

namespace wissel::ctl {

// A bar on standard error, where that is a terminal; else nothing. Gone when it is destroyed.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `share` of 1. Cheap to call often.
  void Show(double share);

 private:
  const std::string what_;
  const bool terminal_;
  absl::Time shown_ = absl::InfinitePast();
};

}  // namespace wissel::ctl
