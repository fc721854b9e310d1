#include "libs/sim/plot.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/utf8.h"

namespace wissel::sim {
namespace {

constexpr double kWidth = 900;
constexpr double kLeft = 64;
constexpr double kRight = 20;
constexpr double kTop = 64;
constexpr double kPanel = 190;  // with its title and axis
constexpr double kPlotHeight = 130;
// Told apart by most eyes, and in print (Okabe and Ito, 2008).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73",
                                    "#cc79a7", "#e69f00", "#56b4e9"};

// What may stand in an XML text (XML 1.0, section 2.2), and shows only itself.
std::string Escape(absl::string_view text) {
  const std::string repaired = RepairUtf8(text);
  std::string plain;
  for (absl::string_view rest = repaired; !rest.empty(); rest.remove_prefix(Utf8Length(rest))) {
    const char32_t c = DecodeUtf8(rest);
    const bool shown = !IsSteering(c) && c != 0xfffe && c != 0xffff;
    absl::StrAppend(&plain, shown ? rest.substr(0, Utf8Length(rest)) : " ");
  }
  return absl::StrReplaceAll(plain, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
}

// 1, 2 or 5 times a power of ten, so that at most `steps` of it reach `max`.
double NiceStep(double max, int steps) {
  const double raw = max / steps;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

absl::Duration NiceTime(absl::Duration length) {
  for (const int minutes : {5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 7200}) {
    if (length / absl::Minutes(minutes) <= 12) return absl::Minutes(minutes);
  }
  return absl::Hours(240);
}

std::string Number(double value) { return absl::StrFormat("%.6g", value); }

void Text(double x, double y, absl::string_view anchor, absl::string_view text, std::string& out) {
  absl::StrAppendFormat(&out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y,
                        std::string(anchor), Escape(text));
}

}  // namespace

std::string ToSvg(const Plot& plot) {
  absl::Time begin = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();
  for (const Panel& panel : plot.panels) {
    for (const Series& series : panel.series) {
      for (const auto& [time, value] : series.points) {
        begin = std::min(begin, time);
        end = std::max(end, time);
      }
    }
  }
  if (begin >= end) {
    begin = absl::UnixEpoch();
    end = begin + absl::Hours(1);
  }
  const double height = kTop + kPanel * static_cast<double>(plot.panels.size());
  std::string out = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" "
      "height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n"
      "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
      kWidth, height, kWidth, height);
  absl::StrAppendFormat(&out, "<text x=\"%.0f\" y=\"24\" font-size=\"16\">%s</text>\n", kLeft,
                        Escape(plot.title));
  Text(kLeft, 44, "start", plot.note, out);

  const double width = kWidth - kLeft - kRight;
  const auto x_of = [&](absl::Time time) {
    return kLeft + width * absl::FDivDuration(time - begin, end - begin);
  };
  const absl::Duration tick = NiceTime(end - begin);
  double top = kTop;
  for (const Panel& panel : plot.panels) {
    double max = 0;
    for (const Series& series : panel.series) {
      for (const auto& [time, value] : series.points) max = std::max(max, value.value_or(0));
    }
    if (!(max > 0)) max = 1;
    const double step = NiceStep(max, 5);
    const double ceiling = std::ceil(max / step - 1e-9) * step;
    const double base = top + 24 + kPlotHeight;
    const auto y_of = [&](double value) { return base - kPlotHeight * value / ceiling; };
    absl::StrAppendFormat(&out, "<text x=\"%.0f\" y=\"%.1f\" font-weight=\"bold\">%s</text>\n",
                          kLeft, top + 14, Escape(panel.title));
    for (int i = 0; i * step <= ceiling + step / 2; ++i) {
      const double y = y_of(i * step);
      absl::StrAppendFormat(&out,
                            "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" "
                            "stroke=\"#e0e0e0\"/>\n",
                            kLeft, kWidth - kRight, y, y);
      Text(kLeft - 6, y + 4, "end", Number(i * step), out);
    }
    // Whole steps of local time, which a clock change makes longer or shorter.
    const auto midnight = absl::CivilMinute(absl::CivilDay(plot.zone.At(begin).cs));
    absl::Time last = begin - absl::Nanoseconds(1);
    for (int64_t minute = 0;; minute += absl::ToInt64Minutes(tick)) {
      const absl::Time at = absl::FromCivil(midnight + minute, plot.zone);
      if (at > end) break;
      if (at <= last) continue;
      last = at;
      absl::StrAppendFormat(&out,
                            "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" "
                            "stroke=\"#999\"/>\n",
                            x_of(at), x_of(at), base, base + 4);
      Text(x_of(at), base + 17, "middle",
           absl::FormatTime(tick >= absl::Hours(24) ? "%d %b" : "%H:%M", at, plot.zone), out);
    }
    double legend = kWidth - kRight;
    for (size_t i = panel.series.size(); i-- > 0;) {
      const Series& series = panel.series[i];
      const char* colour = kColours[i % std::size(kColours)];
      std::vector<std::string> piece;
      const auto draw = [&] {
        if (piece.empty()) return;
        if (piece.size() == 1) piece.push_back(piece[0]);  // A dot.
        absl::StrAppendFormat(&out,
                              "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" "
                              "stroke-linecap=\"round\" points=\"%s\"/>\n",
                              colour, absl::StrJoin(piece, " "));
        piece.clear();
      };
      for (const auto& [time, value] : series.points) {
        if (value.has_value()) {
          piece.push_back(absl::StrFormat("%.1f,%.1f", x_of(time), y_of(*value)));
        } else {
          draw();
        }
      }
      draw();
      if (panel.series.size() > 1) {
        absl::StrAppendFormat(
            &out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" fill=\"%s\">%s</text>\n", legend,
            top + 14, colour, Escape(series.name));
        legend -= 14 + 6.6 * static_cast<double>(series.name.size());
      }
    }
    top += kPanel;
  }
  absl::StrAppend(&out, "</svg>\n");
  return out;
}

}  // namespace wissel::sim
