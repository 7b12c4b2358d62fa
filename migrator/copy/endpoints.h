// The two databases of a migration, and how to open sessions to them.
#pragma once

#include <memory>

#include "adapters/adapter.h"
#include "migrator/copy/interrupt.h"

namespace migrator {

// Immutable; shared by all workers.
struct Endpoints {
  Url source_url, target_url;
  SessionOptions source_options, target_options;

  const Adapter& source_adapter() const { return adapter_for(source_url.engine()); }
  const Adapter& target_adapter() const { return adapter_for(target_url.engine()); }
};

// A session together with its place on the list of what an interrupt cancels.
template <typename T>
struct Opened {
  std::unique_ptr<T> side;
  Interrupt::Registration registration;

  explicit operator bool() const { return side != nullptr; }
  T* operator->() const { return side.get(); }
  T& operator*() const { return *side; }
  Session& session() const { return side->session(); }
  void close() {
    registration = {};
    side.reset();
  }
};

inline Opened<Source> open_source(const Endpoints& endpoints, Interrupt& interrupt) {
  Opened<Source> opened;
  opened.side =
      endpoints.source_adapter().open_source(endpoints.source_url, endpoints.source_options);
  opened.registration = interrupt.watch(opened.session());
  return opened;
}

inline Opened<Target> open_target(const Endpoints& endpoints, Interrupt& interrupt) {
  Opened<Target> opened;
  opened.side =
      endpoints.target_adapter().open_target(endpoints.target_url, endpoints.target_options);
  opened.registration = interrupt.watch(opened.session());
  return opened;
}

}  // namespace migrator
