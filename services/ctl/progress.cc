#include "services/ctl/progress.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace wissel::ctl {
namespace {

constexpr int kWidth = 30;

}  // namespace

ProgressBar::ProgressBar(std::string what)
    : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) != 0) {}

ProgressBar::~ProgressBar() {
  if (terminal_ && shown_ != absl::InfinitePast()) std::cerr << "\r\033[K" << std::flush;
}

void ProgressBar::Show(double share) {
  if (!terminal_) return;
  const absl::Time now = absl::Now();
  if (now - shown_ < absl::Milliseconds(100)) return;
  shown_ = now;
  const int full = std::clamp(static_cast<int>(share * kWidth), 0, kWidth);
  std::string bar;
  for (int i = 0; i < kWidth; ++i) bar += i < full ? "█" : "░";
  std::cerr << "\r" << what_ << " " << bar << absl::StrFormat(" %3.0f%%", share * 100)
            << std::flush;
}

}  // namespace wissel::ctl
