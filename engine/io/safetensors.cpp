// The file: the header's length N (8 bytes, little-endian), N bytes of JSON padded with spaces, the tensors' bytes.
// The JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …, "__metadata__": {"KEY": "VALUE", …}};
// offsets count from the end of the header, and the tensors fill the rest of the file without gaps.
#include "engine/io/safetensors.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/file.h"

namespace lull {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian; so are the machines that lull knows");

using Path = std::filesystem::path;
using Json = nlohmann::json;

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;    // the reference implementation's limit
constexpr std::string_view kMetadata = "__metadata__";

constexpr std::array<std::pair<std::string_view, DType>, 6> kDTypes{{{"F32", DType::f32},
                                                                     {"BF16", DType::bf16},
                                                                     {"F64", DType::f64},
                                                                     {"I32", DType::i32},
                                                                     {"I64", DType::i64},
                                                                     {"U8", DType::u8}}};

// One tensor's line of the header, checked against itself.
struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::uint64_t begin, end;    // bytes after the header
};

DType parse_dtype(const Path& path, const std::string& tensor, const Json& entry) {
    check_file(entry.contains("dtype") && entry["dtype"].is_string(), path, "tensor '", tensor, "' has no dtype");
    const auto& name = entry["dtype"].get_ref<const std::string&>();
    for (const auto& [known, dtype] : kDTypes)
        if (name == known) return dtype;
    fail_file(path, "tensor '", tensor, "' has dtype ", name, "; expected F32, F64, BF16, I32, I64 or U8");
}

// The list of unsigned integers under a key.
std::vector<std::uint64_t> parse_integers(const Path& path, const std::string& tensor, const Json& entry, const char* key) {
    const auto is_unsigned = [](const Json& value) { return value.is_number_unsigned(); };
    check_file(entry.contains(key) && entry[key].is_array() && std::all_of(entry[key].begin(), entry[key].end(), is_unsigned),
               path, "tensor '", tensor, "' has no ", key, ", or it is not a list of integers ≥ 0");
    return entry[key].get<std::vector<std::uint64_t>>();
}

Entry parse_entry(const Path& path, const std::string& name, const Json& json) {
    check_file(json.is_object(), path, "tensor '", name, "' is not described by an object");
    const DType dtype = parse_dtype(path, name, json);
    const auto extents = parse_integers(path, name, json, "shape");
    const auto offsets = parse_integers(path, name, json, "data_offsets");
    check_file(extents.size() <= kMaxRank, path, "tensor '", name, "' has ", extents.size(), " axes; expected at most ",
               kMaxRank);
    check_file(offsets.size() == 2 && offsets[0] <= offsets[1], path, "tensor '", name,
               "' has data_offsets that are not [begin, end]");

    // Signed, so that a shape that passes has extents and a number of elements that fit Shape.
    std::int64_t bytes = size_of(dtype);
    std::vector<std::int64_t> signed_extents;
    for (const std::uint64_t extent : extents) {
        check_file(extent <= std::numeric_limits<std::int64_t>::max() && !__builtin_mul_overflow(bytes, extent, &bytes), path,
                   "tensor '", name, "' has a shape too large to be real");
        signed_extents.push_back(static_cast<std::int64_t>(extent));
    }
    const Shape shape{std::span<const std::int64_t>(signed_extents)};
    check_file(static_cast<std::uint64_t>(bytes) == offsets[1] - offsets[0], path, "tensor '", name, "' of ", dtype, ' ', shape,
               " takes ", grouped(static_cast<std::uint64_t>(bytes)), " bytes, its data_offsets span ",
               grouped(offsets[1] - offsets[0]));
    return {name, dtype, shape, offsets[0], offsets[1]};
}

Json parse_json(const Path& path, const std::string& text) {
    std::set<std::string> names;
    const auto no_duplicates = [&](int depth, Json::parse_event_t event, Json& value) {
        if (event == Json::parse_event_t::key && depth == 1)
            check_file(names.insert(value.get<std::string>()).second, path, "tensor ", value, " is described twice");
        return true;
    };
    try {
        Json json = Json::parse(text, no_duplicates);
        check_file(json.is_object(), path, "not a safetensors file: its header is not a JSON object");
        return json;
    } catch (const Json::parse_error& error) {
        fail_file(path, "not a safetensors file: its header is not JSON (byte ", error.byte, ')');
    }
}

std::map<std::string, std::string> parse_metadata(const Path& path, const Json& header) {
    std::map<std::string, std::string> metadata;
    if (!header.contains(kMetadata)) return metadata;
    const Json& json = header[std::string(kMetadata)];
    check_file(json.is_object(), path, kMetadata, " is not an object");
    for (const auto& [key, value] : json.items()) {
        check_file(value.is_string(), path, kMetadata, " '", key, "' is not a string");
        metadata[key] = value.get<std::string>();
    }
    return metadata;
}

// Tensors in the order of their bytes. Throws unless they fill exactly data_bytes without gaps or overlaps.
std::vector<Entry> parse_entries(const Path& path, const Json& header, std::uint64_t data_start, std::uint64_t file_bytes) {
    std::vector<Entry> entries;
    for (const auto& [name, json] : header.items())
        if (name != kMetadata) entries.push_back(parse_entry(path, name, json));
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t end = 0;
    for (const Entry& entry : entries) {
        check_file(entry.begin == end, path, "tensor '", entry.name, "' starts at byte ", grouped(entry.begin), " of the data; ",
                   entry.begin < end ? "it overlaps the one before, which ends at " : "nothing describes the bytes from ",
                   grouped(end));
        end = entry.end;
    }
    const std::uint64_t wanted = data_start + end;
    check_file(file_bytes >= wanted, path, "truncated: header says ", grouped(wanted), " bytes, file has ", grouped(file_bytes));
    check_file(file_bytes == wanted, path, "too long: header says ", grouped(wanted), " bytes, file has ", grouped(file_bytes));
    return entries;
}

}    // namespace

SafetensorsFile load_safetensors(const Path& path) {
    const std::uint64_t file_bytes = size_of_file(path);
    std::ifstream in(path, std::ios::binary);
    check_file(in.is_open(), path, "cannot be read: permission denied?");
    const auto read = [&](void* to, std::uint64_t count) {
        in.read(static_cast<char*>(to), static_cast<std::streamsize>(count));
        check_file(in.good(), path, "cannot be read to its end");
    };

    check_file(file_bytes >= kLengthBytes, path, "not a safetensors file: it has only ", file_bytes, " bytes");
    std::uint64_t header_bytes = 0;
    read(&header_bytes, kLengthBytes);
    check_file(header_bytes <= kMaxHeader, path, "not a safetensors file, or its header is too large: ", grouped(header_bytes),
               " bytes, at most ", grouped(kMaxHeader), " are allowed");
    const std::uint64_t data_start = kLengthBytes + header_bytes;
    check_file(data_start <= file_bytes, path, "truncated: the header alone takes ", grouped(data_start), " bytes, file has ",
               grouped(file_bytes));
    std::string text(header_bytes, '\0');
    read(text.data(), header_bytes);

    const Json header = parse_json(path, text);
    SafetensorsFile file{.tensors = {}, .metadata = parse_metadata(path, header)};
    for (const Entry& entry : parse_entries(path, header, data_start, file_bytes)) {
        Tensor tensor = empty(entry.shape, entry.dtype);
        read(tensor.raw(), entry.end - entry.begin);
        file.tensors.emplace(entry.name, std::move(tensor));
    }
    return file;
}

void save_safetensors(const Path& path, const SafetensorsFile& file) {
    std::vector<SafetensorsWriter::Entry> entries;
    for (const auto& [name, tensor] : file.tensors) {
        check_file(tensor.defined(), path, "tensor '", name, "' is undefined");
        entries.push_back({name, tensor.dtype(), tensor.shape()});
    }
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return size_of(a.dtype) > size_of(b.dtype); });
    SafetensorsWriter writer(path, entries, file.metadata);
    for (const auto& entry : entries) writer.append(file.tensors.at(entry.name));
    writer.commit();
}

SafetensorsWriter::SafetensorsWriter(const Path& path, const std::vector<Entry>& entries,
                                     const std::map<std::string, std::string>& metadata)
    : path_(path), out_(path) {
    Json header = Json::object();
    if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
    for (const auto& [name, dtype, shape] : entries) {
        check_file(name != kMetadata, path, "no tensor can be called ", kMetadata);
        const std::uint64_t begin = missing_;
        missing_ += static_cast<std::uint64_t>(shape.elements()) * static_cast<std::uint64_t>(size_of(dtype));
        const auto known =
            std::find_if(kDTypes.begin(), kDTypes.end(), [wanted = dtype](const auto& k) { return k.second == wanted; });
        header[name] = {{"dtype", known->first},
                        {"shape", std::vector<std::int64_t>(shape.begin(), shape.end())},
                        {"data_offsets", {begin, missing_}}};
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const Json::type_error&) { fail_file(path, "cannot be written: a name or a metadata string is not UTF-8"); }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const std::uint64_t header_bytes = text.size();
    out_.write(&header_bytes, kLengthBytes);
    out_.write(text.data(), text.size());
}

void SafetensorsWriter::append(const Tensor& part) {
    const Tensor elements = part.contiguous();
    const auto bytes = static_cast<std::uint64_t>(elements.elements()) * static_cast<std::uint64_t>(size_of(elements.dtype()));
    check_file(bytes <= missing_, path_, "cannot be written: more elements than its tensors have");
    missing_ -= bytes;
    out_.write(elements.raw(), bytes);
}

void SafetensorsWriter::commit() {
    check_file(missing_ == 0, path_, "cannot be written: ", grouped(missing_), " bytes of its tensors are missing");
    out_.commit();
}

std::string checksum(const std::string& description, const std::map<std::string, Tensor>& tensors) {
    uLong crc = crc32_z(0, nullptr, 0);
    const auto add = [&](const void* bytes, std::size_t count) { crc = crc32_z(crc, static_cast<const Bytef*>(bytes), count); };
    add(description.data(), description.size());
    for (const auto& [name, tensor] : tensors) {
        const Tensor values = tensor.contiguous();
        add(name.data(), name.size());
        add(values.raw(), static_cast<std::size_t>(values.elements() * size_of(values.dtype())));
    }
    std::array<char, 9> hex{};
    std::snprintf(hex.data(), hex.size(), "%08lx", crc);
    return hex.data();
}

}    // namespace lull
