#include "migrator/verify/value_words.h"

#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include "migrator/include/migrator/error.h"
#include "migrator/verify/cell_comparison.h"

namespace migrator {
namespace {

constexpr std::size_t kShownBytes = 200;
constexpr std::size_t kWholeBytes = 4096;  // of a value: larger ones are not put into words whole
constexpr std::size_t kDigestBytes = 8;    // of the HMAC: enough to tell the values of a log apart

// In the middle of a character, no.
std::size_t cut_at(const std::string& text, std::size_t at) {
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

}  // namespace

std::string ValueWords::of(const RowBatch& batch, const Cell& cell, const Type& type) const {
  if (cell.tag == Cell::Tag::null) return "null";
  const bool has_bytes = cell.tag == Cell::Tag::text || cell.tag == Cell::Tag::bytes;
  if (has_bytes && cell.size > kWholeBytes) return of_large(batch.bytes_of(cell), cell.tag);
  const std::string array = encode_key({value_of(batch, cell, type)});
  return of_text(array.substr(1, array.size() - 2));  // without the brackets
}

std::string ValueWords::of_row(const std::vector<Value>& values) const {
  const std::string text = encode_key(values);
  // It has to be another row's no more than the row is.
  const bool cut = show_ && text.size() > kShownBytes;
  return cut ? of_text(text) + " " + digest(text) : of_text(text);
}

std::uint64_t ValueWords::seed() const { return XXH3_64bits(key_.data(), key_.size()); }

// As JSON it would be many times as large.
std::string ValueWords::of_large(std::string_view bytes, Cell::Tag tag) const {
  if (!show_) return digest(bytes);
  std::string start(bytes.substr(0, kShownBytes + 1));
  start.resize(cut_at(start, kShownBytes));
  const bool text = tag == Cell::Tag::text;
  const std::string array = encode_key({text ? Value(start) : Value(Bytes{start})});
  return fmt::format("{}... ({} bytes)", array.substr(1, array.size() - 2), bytes.size());
}

std::string ValueWords::of_text(const std::string& text) const {
  if (!show_) return digest(text);
  if (text.size() <= kShownBytes) return text;
  return fmt::format("{}... ({} bytes)", text.substr(0, cut_at(text, kShownBytes)), text.size());
}

std::string ValueWords::digest(std::string_view text) const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &size) == nullptr) {
    throw Error(ErrorKind::invariant, "a value's digest could not be made");
  }
  std::string words = "hmac:";
  for (std::size_t at = 0; at < kDigestBytes; ++at) words += fmt::format("{:02x}", digest[at]);
  return words;
}

}  // namespace migrator
