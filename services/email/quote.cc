#include "services/email/quote.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace wissel::email {
namespace {

struct Attribution {
  absl::string_view lead;  // the line starts with this
  absl::string_view verb;  // and has this behind it
};

// How clients introduce a quotation. With a wrapped address it can be up to three lines long.
constexpr std::array kAttributions = {
    Attribution{"On ", " wrote:"},       // English
    Attribution{"Op ", " schreef"},      // Dutch
    Attribution{"Op ", " geschreven:"},  // Dutch, Apple Mail
    Attribution{"Am ", " schrieb"},      // German
    Attribution{"Le ", " a écrit"},      // French
    Attribution{"El ", " escribió:"},    // Spanish
    Attribution{"Il ", " ha scritto:"},  // Italian
    Attribution{"Em ", " escreveu:"},    // Portuguese
    Attribution{"Den ", " skrev"},       // Swedish, Danish, Norwegian
    Attribution{"På ", " skrev"},        // Danish, Norwegian
    Attribution{"W dniu ", " napisał"},  // Polish
    Attribution{"Dne ", " napsal"},      // Czech
    Attribution{"Dňa ", " napísal"},     // Slovak
    Attribution{"", " kirjoitti:"},      // Finnish
    Attribution{"", " tarihinde"},       // Turkish
    Attribution{"", " napisał(a):"},     // Polish, Gmail
    Attribution{"", " пишет:"},          // Russian
    Attribution{"", " написал(а):"},     // Russian, Gmail
};

// What stands between the dashes of "-----Original Message-----".
constexpr std::array<absl::string_view, 12> kOriginalMessage = {
    "Original Message",        "Oorspronkelijk bericht", "Oorspronkelijk Bericht",
    "Ursprüngliche Nachricht", "Original-Nachricht",     "Message d'origine",
    "Mensaje original",        "Messaggio originale",    "Mensagem original",
    "Ursprungligt meddelande", "Oprindelig meddelelse",  "Wiadomość oryginalna"};

struct HeaderWords {
  absl::string_view from;
  std::array<absl::string_view, 2> date;
  absl::string_view to;
};

constexpr std::array kHeaderWords = {
    HeaderWords{"From:", {"Sent:", "Date:"}, "To:"},
    HeaderWords{"Van:", {"Verzonden:", "Datum:"}, "Aan:"},
    HeaderWords{"Von:", {"Gesendet:", "Datum:"}, "An:"},
    HeaderWords{"De :", {"Envoyé :", "Date :"}, "À :"},
    HeaderWords{"De:", {"Envoyé:", "Date:"}, "À:"},
    HeaderWords{"De:", {"Enviado:", "Enviado el:"}, "Para:"},
    HeaderWords{"Da:", {"Inviato:", "Data:"}, "A:"},
    HeaderWords{"Från:", {"Skickat:", "Datum:"}, "Till:"},
    HeaderWords{"Fra:", {"Sendt:", "Dato:"}, "Til:"},
    HeaderWords{"Od:", {"Wysłano:", "Data:"}, "Do:"},
};

constexpr size_t kMaxAttributionBytes = 400;

absl::string_view Trim(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  // No-break spaces, as French puts them before a colon.
  while (absl::ConsumePrefix(&line, "\xC2\xA0") || absl::ConsumeSuffix(&line, "\xC2\xA0")) {
    line = absl::StripAsciiWhitespace(line);
  }
  return line;
}

// "*From:*" is how a bold "From:" comes out of some converters.
absl::string_view TrimBold(absl::string_view line) {
  line = Trim(line);
  while (absl::ConsumePrefix(&line, "*")) {
  }
  return line;
}

bool IsQuoteLine(absl::string_view line) { return absl::StartsWith(Trim(line), ">"); }

bool IsOriginalMessageLine(absl::string_view line) {
  line = Trim(line);
  if (!absl::StartsWith(line, "--") || !absl::EndsWith(line, "-")) return false;
  while (absl::ConsumePrefix(&line, "-") || absl::ConsumePrefix(&line, " ")) {
  }
  while (absl::ConsumeSuffix(&line, "-") || absl::ConsumeSuffix(&line, " ")) {
  }
  return std::find(kOriginalMessage.begin(), kOriginalMessage.end(), line) !=
         kOriginalMessage.end();
}

bool IsAttribution(absl::string_view line) {
  if (line.size() > kMaxAttributionBytes || line.size() < 10 || line.back() != ':') return false;
  std::string plain;
  if (absl::StrContains(line, "\xC2\xA0") || absl::StrContains(line, "\xE2\x80\xAF")) {
    plain = absl::StrReplaceAll(line, {{"\xC2\xA0", " "}, {"\xE2\x80\xAF", " "}});
    line = plain;
  }
  // A date or an address: else "On second thoughts he wrote:" would count.
  const bool dated =
      std::any_of(line.begin(), line.end(), absl::ascii_isdigit) || absl::StrContains(line, "@");
  if (!dated) return false;
  for (const Attribution& a : kAttributions) {
    if (absl::StartsWith(line, a.lead) && absl::StrContains(line, a.verb)) return true;
  }
  return false;
}

using Lines = std::vector<absl::string_view>;

// The first line of an attribution that ends at line `end`, which ends in a colon.
std::optional<size_t> AttributionStart(const Lines& lines, size_t end) {
  std::string joined;
  for (size_t count = 0; count < 3 && count <= end; ++count) {
    const absl::string_view line = Trim(lines[end - count]);
    if (line.empty()) break;
    joined = joined.empty() ? std::string(line) : absl::StrCat(line, " ", joined);
    if (IsAttribution(joined)) return end - count;
  }
  return std::nullopt;
}

// Outlook: From, then Sent or Date, and To, within the next lines.
bool IsHeaderBlock(const Lines& lines, size_t at) {
  const absl::string_view first = TrimBold(lines[at]);
  for (const HeaderWords& words : kHeaderWords) {
    if (!absl::StartsWith(first, words.from)) continue;
    bool date = false;
    bool to = false;
    for (size_t i = at + 1; i < lines.size() && i <= at + 6; ++i) {
      const absl::string_view line = TrimBold(lines[i]);
      date = date || absl::StartsWith(line, words.date[0]) || absl::StartsWith(line, words.date[1]);
      to = to || absl::StartsWith(line, words.to);
    }
    if (date && to) return true;
  }
  return false;
}

bool IsRule(absl::string_view line) {
  line = Trim(line);
  return line.size() >= 10 && line.find_first_not_of('_') == absl::string_view::npos;
}

struct Range {
  size_t begin;
  size_t end;
};

// The lines [begin, end) that are blank or start with ">", from `from` on.
Range QuoteBlock(const Lines& lines, size_t from) {
  size_t end = from;
  for (size_t i = from; i < lines.size(); ++i) {
    if (IsQuoteLine(lines[i])) {
      end = i + 1;
    } else if (!Trim(lines[i]).empty()) {
      break;
    }
  }
  return {from, end};
}

std::optional<Range> FindQuoted(const Lines& lines) {
  for (size_t i = 0; i < lines.size(); ++i) {
    const absl::string_view line = Trim(lines[i]);
    if (line.empty()) continue;
    switch (line.front()) {
      case '-':
        if (IsOriginalMessageLine(line)) return Range{i, lines.size()};
        continue;
      case '_':
        // The rule that Outlook draws above its block.
        if (IsRule(line)) {
          size_t next = i + 1;
          while (next < lines.size() && Trim(lines[next]).empty()) ++next;
          if (next < lines.size() && IsHeaderBlock(lines, next)) return Range{i, lines.size()};
        }
        continue;
      case '>': {
        const Range block = QuoteBlock(lines, i);
        // Another block further on: answers stand between the questions.
        for (size_t k = block.end; k < lines.size(); ++k) {
          if (IsQuoteLine(lines[k])) return std::nullopt;
        }
        return block;
      }
      default:
        break;
    }
    if (line.back() == ':') {
      if (const std::optional<size_t> start = AttributionStart(lines, i)) {
        size_t next = i + 1;
        while (next < lines.size() && Trim(lines[next]).empty()) ++next;
        if (next == lines.size() || !IsQuoteLine(lines[next])) return Range{*start, lines.size()};
        Range block = QuoteBlock(lines, next);
        for (size_t k = block.end; k < lines.size(); ++k) {
          if (IsQuoteLine(lines[k])) return std::nullopt;
        }
        return Range{*start, block.end};
      }
    }
    if (absl::StrContains(line, ":") && IsHeaderBlock(lines, i)) return Range{i, lines.size()};
  }
  return std::nullopt;
}

std::string Join(const Lines& lines, size_t begin, size_t end) {
  std::string out;
  for (size_t i = begin; i < end; ++i) absl::StrAppend(&out, lines[i], "\n");
  return out;
}

// No blank lines at the start, none at the end, no line end behind the last line.
std::string Tidy(absl::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos || !Trim(text.substr(0, end)).empty()) break;
    text.remove_prefix(end + 1);
  }
  return std::string(absl::StripTrailingAsciiWhitespace(text));
}

}  // namespace

SplitText SplitQuoted(absl::string_view text) {
  Lines lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find('\n', start), text.size());
    lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  const std::optional<Range> quoted = FindQuoted(lines);
  if (!quoted) return {Tidy(text), ""};
  SplitText split;
  split.text =
      Tidy(absl::StrCat(Join(lines, 0, quoted->begin), Join(lines, quoted->end, lines.size())));
  if (split.text.empty()) return {Tidy(text), ""};
  split.quoted = Tidy(Join(lines, quoted->begin, quoted->end));
  return split;
}

}  // namespace wissel::email
