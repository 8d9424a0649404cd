// SPDX-License-Identifier: Apache-2.0
// Archive: one visit of all state, which serves save, load, hash, dump and diff.
//
// A device keeps everything a guest can see in one aggregate `State` and lists its members once:
//
//     void serialize(Archive& ar) override { VMM_FIELDS(ar, s_, irr, imr, isr); }
//
// VMM_FIELDS binds the whole aggregate, so a member that is left out does not compile. Members may be integers, bool,
// enums, Quantity, std::array, std::vector, std::deque, std::optional, std::string, or aggregates with a function
// `void serialize(Archive&, T&)` beside them or a member `void serialize(Archive&)`.
// Thread rule: machine thread only. Loading never trusts the bytes: a short or odd input sets failed().
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "vmm/types.h"

namespace vmm {

class Archive {
  public:
    virtual ~Archive() = default;

    virtual bool loading() const { return false; }
    bool failed() const { return failed_; }
    void fail() { failed_ = true; }

    // A named group of fields (a device, a nested aggregate).
    virtual void enter(std::string_view name) = 0;
    virtual void leave() = 0;

    template <class T>
    void field(std::string_view name, T& value);

  protected:
    virtual void scalar(std::string_view name, u64& value, unsigned bytes) = 0;
    virtual void bytes(std::string_view name, u8* data, std::size_t size) = 0;
    // The length of a sequence; when loading, `n` is set, at most `max`.
    virtual void length(std::string_view name, u64& n, u64 max) = 0;

  private:
    bool failed_ = false;
};

namespace archive_detail {
template <class T> struct IsQuantity : std::false_type {};
template <class Tag, class Rep> struct IsQuantity<Quantity<Tag, Rep>> : std::true_type {};
template <class T> struct IsArray : std::false_type {};
template <class T, std::size_t N> struct IsArray<std::array<T, N>> : std::true_type {};
template <class T> struct IsSequence : std::false_type {};
template <class T> struct IsSequence<std::vector<T>> : std::true_type {};
template <class T> struct IsSequence<std::deque<T>> : std::true_type {};
template <> struct IsSequence<std::string> : std::true_type {};
template <class T> struct IsOptional : std::false_type {};
template <class T> struct IsOptional<std::optional<T>> : std::true_type {};
inline constexpr u64 kMaxSequence = 64u << 20;

template <class T>
concept Bytes = std::is_same_v<T, u8> || std::is_same_v<T, char>;
}  // namespace archive_detail

template <class T>
void Archive::field(std::string_view name, T& value) {
    namespace d = archive_detail;
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
        u64 v = static_cast<u64>(value);
        if constexpr (sizeof(T) < 8) v &= (u64{1} << (8 * sizeof(T))) - 1;
        scalar(name, v, sizeof(T));
        if (loading()) value = static_cast<T>(v);
    } else if constexpr (d::IsQuantity<T>::value) {
        field(name, value.v);
    } else if constexpr (d::IsArray<T>::value) {
        if constexpr (d::Bytes<typename T::value_type>) {
            bytes(name, reinterpret_cast<u8*>(value.data()), value.size());
        } else {
            enter(name);
            for (std::size_t i = 0; i < value.size(); ++i) field(std::to_string(i), value[i]);
            leave();
        }
    } else if constexpr (d::IsSequence<T>::value) {
        u64 n = value.size();
        length(name, n, d::kMaxSequence);
        if (loading()) value.resize(failed() ? 0 : static_cast<std::size_t>(n));
        if constexpr (d::Bytes<typename T::value_type> && !std::is_same_v<T, std::deque<typename T::value_type>>) {
            bytes(name, reinterpret_cast<u8*>(value.data()), value.size());
        } else {
            enter(name);
            for (std::size_t i = 0; i < value.size() && !failed(); ++i) field(std::to_string(i), value[i]);
            leave();
        }
    } else if constexpr (d::IsOptional<T>::value) {
        enter(name);
        bool has = value.has_value();
        field("present", has);
        if (loading()) {
            if (has) value.emplace(); else value.reset();
        }
        if (has) field("value", *value);
        leave();
    } else {
        enter(name);
        if constexpr (requires { value.serialize(*this); }) value.serialize(*this);
        else serialize(*this, value);  // found beside T
        leave();
    }
}

// Visits `values`, whose names are the comma-separated `names`.
template <class... Ts>
void serialize_list(Archive& ar, std::string_view names, Ts&... values) {
    auto next = [&names] {
        const auto from = names.find_first_not_of(" ,\n");
        const auto to = names.find_first_of(" ,\n", from);
        const auto name = names.substr(from, to == std::string_view::npos ? to : to - from);
        names = to == std::string_view::npos ? std::string_view{} : names.substr(to);
        return name;
    };
    (ar.field(next(), values), ...);
}

#define VMM_FIELDS(ar, state, ...)                                      \
    do {                                                                \
        auto& [__VA_ARGS__] = (state);                                  \
        ::vmm::serialize_list((ar), #__VA_ARGS__, __VA_ARGS__);         \
    } while (false)

// Bytes, little-endian, no names; groups are not marked.
class SaveArchive : public Archive {
  public:
    void enter(std::string_view) override {}
    void leave() override {}
    std::vector<u8> take() { return std::move(out_); }
    std::size_t size() const { return out_.size(); }

  protected:
    void scalar(std::string_view, u64& value, unsigned bytes) override;
    void bytes(std::string_view, u8* data, std::size_t size) override;
    void length(std::string_view, u64& n, u64 max) override;

  private:
    std::vector<u8> out_;
};

// The same bytes, and where each of the outermost groups (a device, the processor) begins.
class SectionArchive final : public SaveArchive {
  public:
    struct Section {
        std::string name;
        std::size_t begin;
    };
    void enter(std::string_view name) override {
        if (depth_++ == 0) sections_.push_back({std::string(name), size()});
    }
    void leave() override { --depth_; }
    const std::vector<Section>& sections() const { return sections_; }

  protected:
    void scalar(std::string_view name, u64& value, unsigned bytes) override {
        if (depth_ == 0) sections_.push_back({std::string(name), size()});
        SaveArchive::scalar(name, value, bytes);
    }

  private:
    unsigned depth_ = 0;
    std::vector<Section> sections_;
};

// Reads what SaveArchive wrote. Check failed() and done() afterwards.
class LoadArchive final : public Archive {
  public:
    explicit LoadArchive(std::span<const u8> in) : in_(in) {}
    bool loading() const override { return true; }
    bool done() const { return in_.empty(); }
    std::size_t left() const { return in_.size(); }
    void enter(std::string_view) override {}
    void leave() override {}

  protected:
    void scalar(std::string_view, u64& value, unsigned bytes) override;
    void bytes(std::string_view, u8* data, std::size_t size) override;
    void length(std::string_view, u64& n, u64 max) override;

  private:
    std::span<const u8> in_;
};

// XXH3 over the saved form.
u64 hash_bytes(std::span<const u8> bytes);

// One line a field: "device.group.name = value". Two dumps of equal machines are equal text; diff_dumps names what differs.
class DumpArchive final : public Archive {
  public:
    void enter(std::string_view name) override { path_.emplace_back(name); }
    void leave() override { path_.pop_back(); }
    const std::vector<std::string>& lines() const { return lines_; }

  protected:
    void scalar(std::string_view name, u64& value, unsigned bytes) override;
    void bytes(std::string_view name, u8* data, std::size_t size) override;
    void length(std::string_view name, u64& n, u64 max) override;

  private:
    std::string prefix(std::string_view name) const;
    std::vector<std::string> path_;
    std::vector<std::string> lines_;
};

// Lines "path: A != B" for every field in which two dumps differ, at most `limit`.
std::vector<std::string> diff_dumps(const DumpArchive& a, const DumpArchive& b, std::size_t limit = 20);

}  // namespace vmm
