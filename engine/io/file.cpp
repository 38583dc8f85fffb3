#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace lull {

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
    return digits;
}

std::uint64_t size_of_file(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    check_file(std::filesystem::exists(status), path, "no such file");
    check_file(std::filesystem::is_regular_file(status), path, "not a regular file");
    const std::uint64_t bytes = std::filesystem::file_size(path, error);
    check_file(!error, path, "cannot be read: ", error.message());
    return bytes;
}

namespace {

// Takes away what a killed process has left: nobody holds its lock.
void remove_if_abandoned(const std::filesystem::path& temporary) {
    const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (descriptor < 0) return;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) ::unlink(temporary.c_str());
    ::close(descriptor);
}

// A new file, locked as long as it is open; -1 and errno when there cannot be one.
int create_locked(const std::filesystem::path& temporary) {
    for (;;) {
        // O_EXCL: never over a file that another process is writing. Unlike mkstemp's, the mode follows the umask.
        const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0) return -1;
        struct stat status {};
        const bool locked = ::flock(descriptor, LOCK_EX) == 0;    // some file systems have no locks: then nothing is abandoned
        if (!locked || ::fstat(descriptor, &status) != 0 || status.st_nlink > 0) return descriptor;
        ::close(descriptor);    // another process took it for abandoned before it was locked
    }
}

}    // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)), file_(nullptr, std::fclose) {
    std::error_code ignored;    // what cannot be looked at cannot be written either
    check_file(!std::filesystem::is_directory(path_, ignored), path_, "is a folder");
    int descriptor = -1;
    for (int number = 0; descriptor < 0; ++number) {
        temporary_ = path_.string() + ".tmp" + std::to_string(number);
        remove_if_abandoned(temporary_);
        descriptor = create_locked(temporary_);
        if (descriptor < 0 && errno != EEXIST) fail_write();
    }
    file_.reset(::fdopen(descriptor, "wb"));
    if (file_) return;
    ::close(descriptor);
    ::unlink(temporary_.c_str());
    fail_file(path_, "cannot be written: out of memory");
}

AtomicFile::~AtomicFile() {
    file_.reset();
    if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicFile::fail_write() const { fail_file(path_, "cannot be written: ", std::strerror(errno)); }

void AtomicFile::write(const void* bytes, std::size_t count) {
    if (std::fwrite(bytes, 1, count, file_.get()) != count) fail_write();
}

void AtomicFile::commit() {
    if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) fail_write();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_write();    // under the lock, which closing ends
    committed_ = true;
    file_.reset();
    // The rename itself is on the disk once the folder is; a file system that cannot sync a folder loses only that.
    const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
    AtomicFile file(path);
    file.write(text.data(), text.size());
    file.commit();
}

}    // namespace lull
