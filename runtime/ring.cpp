#include "runtime/ring.hpp"

#include <bit>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <liburing.h>  // before any system header: it shares macros with <linux/fs.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "runtime/assert.hpp"

namespace postern {

namespace {

constexpr int kBufferGroup = 0;  // one pool a ring

// A fixed non-pointer user_data for operations whose completion nobody waits for.
constexpr std::uint64_t kNobody = 0;

}  // namespace

struct Ring::State {
  struct Collected {
    Operation* operation;
    Operation::Completion completion;
  };

  io_uring ring{};
  RingOptions options;
  io_uring_buf_ring* buffer_ring = nullptr;
  std::size_t buffer_ring_octets = 0;
  char* buffers = nullptr;
  std::size_t buffers_octets = 0;
  std::vector<Collected> collected;

  io_uring_sqe* next_sqe() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring);
    while (sqe == nullptr) {
      // The submission queue is full: hand it over. Completions stay where they are until the next
      // turn.
      const int submitted = io_uring_submit(&ring);
      POSTERN_ASSERT(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN ||
                     submitted == -EBUSY);
      sqe = io_uring_get_sqe(&ring);
    }
    return sqe;
  }

  void add_buffer(std::uint16_t id, int offset) {
    io_uring_buf_ring_add(buffer_ring, buffers + std::size_t{id} * options.receive_buffer_octets,
                          options.receive_buffer_octets, id,
                          io_uring_buf_ring_mask(options.receive_buffers), offset);
  }

  Result<void> provide_buffers();
};

namespace {

Error explain_setup_failure(int error) {
  switch (error) {
    case ENOSYS:
      return {ErrorCode::unsupported,
              "this kernel has no io_uring, which Postern needs: run Linux 6.1 or newer, or, in a "
              "container, use a seccomp profile that allows io_uring_setup, io_uring_enter and "
              "io_uring_register"};
    case EPERM:
    case EACCES:
      return {
          ErrorCode::permission_denied,
          "io_uring is forbidden here: set sysctl kernel.io_uring_disabled=0 on the host, or, in a "
          "container, use a seccomp profile that allows io_uring_setup, io_uring_enter and "
          "io_uring_register"};
    case EINVAL:
      return {
          ErrorCode::unsupported,
          "this kernel's io_uring lacks SINGLE_ISSUER or DEFER_TASKRUN: run Linux 6.1 or newer"};
    case ENOMEM:
      return {
          ErrorCode::exhausted,
          "no memory for an io_uring: raise the locked-memory limit (ulimit -l, LimitMEMLOCK=)"};
    case EMFILE:
    case ENFILE:
      return {ErrorCode::exhausted,
              "no file descriptor left for an io_uring: raise ulimit -n (LimitNOFILE=)"};
    default:
      return {ErrorCode::io, fmt::format("io_uring_setup failed: {}", std::strerror(error))};
  }
}

}  // namespace

Result<void> Ring::State::provide_buffers() {
  buffer_ring_octets = options.receive_buffers * sizeof(io_uring_buf);
  buffers_octets = std::size_t{options.receive_buffers} * options.receive_buffer_octets;
  // Pages of the pool are touched only as traffic needs them: an idle core costs little.
  void* ring_memory = ::mmap(nullptr, buffer_ring_octets, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void* memory =
      ::mmap(nullptr, buffers_octets, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ring_memory != MAP_FAILED) buffer_ring = static_cast<io_uring_buf_ring*>(ring_memory);
  if (memory != MAP_FAILED) buffers = static_cast<char*>(memory);
  if (buffer_ring == nullptr || buffers == nullptr) {
    return fail(ErrorCode::exhausted, "no memory for the receive buffers of a core");
  }
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring);
  registration.ring_entries = options.receive_buffers;
  registration.bgid = kBufferGroup;
  if (const int error = io_uring_register_buf_ring(&ring, &registration, 0); error != 0) {
    return fail(
        ErrorCode::unsupported,
        fmt::format("this kernel's io_uring has no provided-buffer rings ({}): run Linux 6.1 "
                    "or newer",
                    std::strerror(-error)));
  }
  io_uring_buf_ring_init(buffer_ring);
  for (std::uint32_t id = 0; id < options.receive_buffers; ++id) {
    add_buffer(static_cast<std::uint16_t>(id), static_cast<int>(id));
  }
  io_uring_buf_ring_advance(buffer_ring, static_cast<int>(options.receive_buffers));
  return {};
}

Result<std::unique_ptr<Ring>> Ring::create(const RingOptions& options) {
  POSTERN_ASSERT(std::has_single_bit(options.receive_buffers) && options.receive_buffers <= 32768);
  auto state = std::make_unique<State>();
  state->options = options;
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                 IORING_SETUP_CLAMP | IORING_SETUP_TASKRUN_FLAG;
  params.cq_entries = options.completion_entries;
  const int error = io_uring_queue_init_params(options.submission_entries, &state->ring, &params);
  if (error != 0) {
    state->ring.ring_fd = -1;
    std::unique_ptr<Ring> empty(new Ring(std::move(state)));
    return std::unexpected(explain_setup_failure(-error));
  }
  // A registered ring descriptor saves its look-up at every system call; failing to is no harm.
  (void)io_uring_register_ring_fd(&state->ring);
  state->collected.reserve(options.completion_entries);
  std::unique_ptr<Ring> ring(new Ring(std::move(state)));
  if (auto provided = ring->state_->provide_buffers(); !provided) {
    return std::unexpected(provided.error());
  }
  return ring;
}

Ring::Ring(std::unique_ptr<State> state) : state_(std::move(state)) {}

Ring::~Ring() {
  if (state_->ring.ring_fd >= 0) io_uring_queue_exit(&state_->ring);
  if (state_->buffer_ring != nullptr) ::munmap(state_->buffer_ring, state_->buffer_ring_octets);
  if (state_->buffers != nullptr) ::munmap(state_->buffers, state_->buffers_octets);
}

void Ring::accept_multishot(int fd, Operation& operation) {
  io_uring_sqe* sqe = state_->next_sqe();
  // No address is asked for: all completions of a multishot accept would share one sockaddr.
  io_uring_prep_multishot_accept(sqe, fd, nullptr, nullptr, SOCK_CLOEXEC);
  io_uring_sqe_set_data(sqe, &operation);
}

void Ring::receive_multishot(int fd, Operation& operation, bool poll_first) {
  io_uring_sqe* sqe = state_->next_sqe();
  io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kBufferGroup;
  if (poll_first) sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data(sqe, &operation);
}

void Ring::receive(int fd, Operation& operation) {
  io_uring_sqe* sqe = state_->next_sqe();
  io_uring_prep_recv(sqe, fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kBufferGroup;
  io_uring_sqe_set_data(sqe, &operation);
}

void Ring::send(int fd, std::string_view octets, Operation& operation) {
  io_uring_sqe* sqe = state_->next_sqe();
  io_uring_prep_send(sqe, fd, octets.data(), octets.size(), MSG_NOSIGNAL | MSG_WAITALL);
  io_uring_sqe_set_data(sqe, &operation);
}

void Ring::read(int fd, void* into, std::uint32_t size, Operation& operation) {
  io_uring_sqe* sqe = state_->next_sqe();
  io_uring_prep_read(sqe, fd, into, size, 0);
  io_uring_sqe_set_data(sqe, &operation);
}

void Ring::close(int fd) {
  io_uring_sqe* sqe = state_->next_sqe();
  io_uring_prep_close(sqe, fd);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, kNobody);
}

void Ring::cancel(Operation& operation) {
  io_uring_sqe* sqe = state_->next_sqe();
  io_uring_prep_cancel(sqe, &operation, 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, kNobody);
}

std::span<char> Ring::buffer(std::uint16_t id) noexcept {
  POSTERN_ASSERT(id < state_->options.receive_buffers);
  return {state_->buffers + std::size_t{id} * state_->options.receive_buffer_octets,
          state_->options.receive_buffer_octets};
}

void Ring::recycle(std::uint16_t id) noexcept {
  state_->add_buffer(id, 0);
  io_uring_buf_ring_advance(state_->buffer_ring, 1);
}

std::size_t Ring::submit_and_collect(Duration wait) {
  io_uring* ring = &state_->ring;
  if (wait <= Duration::zero()) {
    (void)io_uring_submit_and_get_events(ring);
  } else {
    __kernel_timespec timeout{};
    timeout.tv_sec = wait.count() / 1'000'000'000;
    timeout.tv_nsec = wait.count() % 1'000'000'000;
    io_uring_cqe* first = nullptr;
    // -ETIME and -EINTR are ordinary: what was queued has been submitted all the same.
    (void)io_uring_submit_and_wait_timeout(ring, &first, 1, &timeout, nullptr);
  }
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(ring, head, cqe) {
    ++count;
    const std::uint64_t data = io_uring_cqe_get_data64(cqe);
    if (data == kNobody || data == LIBURING_UDATA_TIMEOUT) continue;
    state_->collected.push_back(
        {reinterpret_cast<Operation*>(data),
         {.result = cqe->res,
          .more = (cqe->flags & IORING_CQE_F_MORE) != 0,
          .has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0,
          .buffer_id = static_cast<std::uint16_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT)}});
  }
  io_uring_cq_advance(ring, count);
  return state_->collected.size();
}

bool Ring::has_work() const noexcept {
  // With DEFER_TASKRUN completions are made by the next turn; the flag says that there is something
  // to make.
  const unsigned flags = __atomic_load_n(state_->ring.sq.kflags, __ATOMIC_ACQUIRE);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0 ||
         io_uring_cq_ready(&state_->ring) > 0;
}

void Ring::run_handlers() {
  for (const State::Collected& item : state_->collected) {
    item.operation->handler(item.operation->owner, item.completion);
  }
  state_->collected.clear();
}

std::size_t Ring::turn(Duration wait) {
  const std::size_t count = submit_and_collect(wait);
  run_handlers();
  return count;
}

}  // namespace postern
