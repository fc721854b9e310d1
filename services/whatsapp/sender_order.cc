#include "services/whatsapp/sender_order.h"

#include <utility>

namespace wissel::whatsapp {

std::shared_ptr<SenderOrder::Place> SenderOrder::Take(std::string sender) {
  auto place = std::make_shared<Place>();
  place->sender = std::move(sender);
  MutexLock lock(mutex_);
  waiting_[place->sender].push_back(place);
  return place;
}

void SenderOrder::Ready(const std::shared_ptr<Place>& place, Publish publish) {
  std::optional<Publish> turn;
  {
    MutexLock lock(mutex_);
    if (waiting_.at(place->sender).front() == place) {
      turn = std::move(publish);
    } else {
      place->publish = std::move(publish);
    }
  }
  // Whoever is at work stays in front, so that nobody passes.
  while (turn) {
    std::move (*turn)();
    turn.reset();
    MutexLock lock(mutex_);
    const auto queue = waiting_.find(place->sender);
    queue->second.pop_front();
    if (queue->second.empty()) {
      waiting_.erase(queue);
    } else {
      turn = std::exchange(queue->second.front()->publish, std::nullopt);
    }
  }
}

}  // namespace wissel::whatsapp
