#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace wissel::routing {

// An ordered set that also knows how many keys stand before one: a B+-tree whose inner nodes hold,
// for each child, its smallest key and how many keys are below it.
//
// Keys are plain values. The order is given with each call, always the same one, so that it may
// look into what its user owns; it is only ever asked about keys that are in the set or are the
// argument. Insert, Erase and CountBefore are O(log n), First is O(log n) without a comparison.
//
// Movable; not thread-safe.
template <typename Key, int kLeaf = 64, int kInner = 32>
class CountedSet {
 public:
  CountedSet() = default;
  CountedSet(CountedSet&& other) noexcept { *this = std::move(other); }
  CountedSet& operator=(CountedSet&& other) noexcept {
    if (this == &other) return *this;
    Clear();
    std::swap(root_, other.root_);
    std::swap(height_, other.height_);
    std::swap(size_, other.size_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~CountedSet() { Clear(); }

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t MemoryBytes() const { return bytes_; }

  void Clear() {
    if (root_ != nullptr) Free(root_, height_);
    root_ = nullptr;
    height_ = 0;
    size_ = 0;
  }

  // The smallest; only where the set is not empty.
  const Key& First() const {
    const Node* node = root_;
    for (int h = height_; h > 0; --h) node = AsInner(node)->child[0];
    return SmallestOf(node, 0);
  }

  // False where it is there already.
  template <typename Less>
  bool Insert(const Key& key, const Less& less) {
    if (root_ == nullptr) root_ = NewLeaf();
    Split split;
    if (!InsertBelow(root_, height_, key, less, split)) return false;
    ++size_;
    if (split.node != nullptr) {
      Inner* top = NewInner();
      top->size = 2;
      top->child[0] = root_;
      top->first[0] = SmallestOf(root_, height_);
      top->count[0] = static_cast<uint32_t>(size_) - split.count;
      top->child[1] = split.node;
      top->first[1] = split.first;
      top->count[1] = split.count;
      root_ = top;
      ++height_;
    }
    return true;
  }

  // False where it is not there.
  template <typename Less>
  bool Erase(const Key& key, const Less& less) {
    if (root_ == nullptr || !EraseBelow(root_, height_, key, less)) return false;
    --size_;
    while (height_ > 0 && root_->size == 1) {
      Inner* top = AsInner(root_);
      root_ = top->child[0];
      Delete(top);
      --height_;
    }
    if (size_ == 0) Clear();
    return true;
  }

  // How many are smaller.
  template <typename Less>
  size_t CountBefore(const Key& key, const Less& less) const {
    if (root_ == nullptr) return 0;
    size_t before = 0;
    const Node* node = root_;
    for (int h = height_; h > 0; --h) {
      const Inner* inner = AsInner(node);
      const int at = ChildFor(inner, key, less);
      for (int i = 0; i < at; ++i) before += inner->count[i];
      node = inner->child[at];
    }
    return before + static_cast<size_t>(LowerBound(AsLeaf(node), key, less));
  }

  // From the smallest on, until `visit` returns false; returns whether it never did.
  template <typename Visit>
  bool ForEach(const Visit& visit) const {
    return root_ == nullptr || ForEachBelow(root_, height_, visit);
  }

 private:
  struct Node {
    int32_t size = 0;
  };
  // Its keys lie together somewhere in the array: who waits longest mostly goes first and arrivals
  // come last, and at both ends nothing has to move.
  struct Leaf : Node {
    int32_t begin = 0;
    Key room[kLeaf];

    Key* keys() { return room + begin; }
    const Key* keys() const { return room + begin; }
  };
  struct Inner : Node {
    uint32_t count[kInner];
    Key first[kInner];
    Node* child[kInner];
  };
  // What has been split off to the right.
  struct Split {
    Node* node = nullptr;
    Key first;
    uint32_t count = 0;
  };

  static Leaf* AsLeaf(Node* node) { return static_cast<Leaf*>(node); }
  static const Leaf* AsLeaf(const Node* node) { return static_cast<const Leaf*>(node); }
  static Inner* AsInner(Node* node) { return static_cast<Inner*>(node); }
  static const Inner* AsInner(const Node* node) { return static_cast<const Inner*>(node); }

  Leaf* NewLeaf() {
    bytes_ += sizeof(Leaf);
    return new Leaf;
  }
  Inner* NewInner() {
    bytes_ += sizeof(Inner);
    return new Inner;
  }
  void Delete(Leaf* leaf) {
    bytes_ -= sizeof(Leaf);
    delete leaf;
  }
  void Delete(Inner* inner) {
    bytes_ -= sizeof(Inner);
    delete inner;
  }
  void DeleteNode(Node* node, int height) {
    if (height == 0) {
      Delete(AsLeaf(node));
    } else {
      Delete(AsInner(node));
    }
  }
  void Free(Node* node, int height) {
    if (height > 0) {
      for (int i = 0; i < node->size; ++i) Free(AsInner(node)->child[i], height - 1);
    }
    DeleteNode(node, height);
  }

  static const Key& SmallestOf(const Node* node, int height) {
    return height == 0 ? AsLeaf(node)->keys()[0] : AsInner(node)->first[0];
  }

  // The first place whose key is not smaller.
  template <typename Less>
  static int LowerBound(const Leaf* leaf, const Key& key, const Less& less) {
    const Key* keys = leaf->keys();
    // Most of what is asked for stands at the ends.
    if (leaf->size == 0 || !less(keys[0], key)) return 0;
    if (less(keys[leaf->size - 1], key)) return leaf->size;
    return static_cast<int>(std::lower_bound(keys + 1, keys + leaf->size, key, less) - keys);
  }
  // The last child whose first key is not larger; the first child where there is none.
  template <typename Less>
  static int ChildFor(const Inner* inner, const Key& key, const Less& less) {
    const Key* after = std::upper_bound(inner->first + 1, inner->first + inner->size, key, less);
    return static_cast<int>(after - inner->first) - 1;
  }

  template <typename T>
  static void OpenGap(T* array, int size, int at) {
    std::move_backward(array + at, array + size, array + size + 1);
  }
  template <typename T>
  static void CloseGap(T* array, int size, int at) {
    std::move(array + at + 1, array + size, array + at);
  }

  template <typename Less>
  bool InsertBelow(Node* node, int height, const Key& key, const Less& less, Split& split) {
    if (height == 0) return InsertInLeaf(AsLeaf(node), key, less, split);
    Inner* inner = AsInner(node);
    int at = ChildFor(inner, key, less);
    Split below;
    if (!InsertBelow(inner->child[at], height - 1, key, less, below)) return false;
    inner->first[at] = SmallestOf(inner->child[at], height - 1);
    ++inner->count[at];
    if (below.node == nullptr) return true;
    inner->count[at] -= below.count;
    if (inner->size == kInner) {
      Inner* right = NewInner();
      constexpr int kLeft = kInner / 2;
      right->size = kInner - kLeft;
      std::copy(inner->child + kLeft, inner->child + kInner, right->child);
      std::copy(inner->first + kLeft, inner->first + kInner, right->first);
      std::copy(inner->count + kLeft, inner->count + kInner, right->count);
      inner->size = kLeft;
      Inner* into = inner;
      if (at >= kLeft) {
        into = right;
        at -= kLeft;
      }
      InsertChild(into, at + 1, below);
      split.node = right;
      split.first = right->first[0];
      split.count = 0;
      for (int i = 0; i < right->size; ++i) split.count += right->count[i];
      return true;
    }
    InsertChild(inner, at + 1, below);
    return true;
  }

  static void InsertChild(Inner* inner, int at, const Split& child) {
    OpenGap(inner->child, inner->size, at);
    OpenGap(inner->first, inner->size, at);
    OpenGap(inner->count, inner->size, at);
    inner->child[at] = child.node;
    inner->first[at] = child.first;
    inner->count[at] = child.count;
    ++inner->size;
  }

  // By way of the nearer end where there is room.
  static void InsertKey(Leaf* leaf, int at, const Key& key) {
    const bool in_front = at < leaf->size / 2;
    if (in_front && leaf->begin > 0) {
      std::copy(leaf->keys(), leaf->keys() + at, leaf->keys() - 1);
      --leaf->begin;
    } else {
      if (leaf->begin + leaf->size == kLeaf) {
        std::copy(leaf->keys(), leaf->keys() + leaf->size, leaf->room);
        leaf->begin = 0;
      }
      OpenGap(leaf->keys(), leaf->size, at);
    }
    leaf->keys()[at] = key;
    ++leaf->size;
  }
  static void EraseKey(Leaf* leaf, int at) {
    if (at < leaf->size / 2) {
      std::copy_backward(leaf->keys(), leaf->keys() + at, leaf->keys() + at + 1);
      ++leaf->begin;
    } else {
      CloseGap(leaf->keys(), leaf->size, at);
    }
    --leaf->size;
  }

  template <typename Less>
  bool InsertInLeaf(Leaf* leaf, const Key& key, const Less& less, Split& split) {
    int at = LowerBound(leaf, key, less);
    if (at < leaf->size && !less(key, leaf->keys()[at])) return false;
    Leaf* into = leaf;
    if (leaf->size == kLeaf) {
      Leaf* right = NewLeaf();
      // Arrivals mostly come last: then the left one stays full.
      const int left = at == kLeaf ? kLeaf - 1 : kLeaf / 2;
      right->size = kLeaf - left;
      std::copy(leaf->keys() + left, leaf->keys() + kLeaf, right->room);
      leaf->size = left;
      if (at > left) {
        into = right;
        at -= left;
      }
      split.node = right;
    }
    InsertKey(into, at, key);
    if (split.node != nullptr) {
      split.first = SmallestOf(split.node, 0);
      split.count = static_cast<uint32_t>(split.node->size);
    }
    return true;
  }

  template <typename Less>
  bool EraseBelow(Node* node, int height, const Key& key, const Less& less) {
    if (height == 0) {
      Leaf* leaf = AsLeaf(node);
      const int at = LowerBound(leaf, key, less);
      if (at == leaf->size || less(key, leaf->keys()[at])) return false;
      EraseKey(leaf, at);
      return true;
    }
    Inner* inner = AsInner(node);
    const int at = ChildFor(inner, key, less);
    Node* child = inner->child[at];
    if (!EraseBelow(child, height - 1, key, less)) return false;
    --inner->count[at];
    if (child->size == 0) {
      DeleteNode(child, height - 1);
      RemoveChild(inner, at);
      return true;
    }
    inner->first[at] = SmallestOf(child, height - 1);
    const int capacity = height == 1 ? kLeaf : kInner;
    if (child->size >= capacity / 4) return true;
    // Joined with a neighbour where both together leave some room.
    for (const int left : {at - 1, at}) {
      if (left < 0 || left + 1 >= inner->size) continue;
      if (inner->child[left]->size + inner->child[left + 1]->size > capacity * 3 / 4) continue;
      Join(inner, left, height - 1);
      break;
    }
    return true;
  }

  static void RemoveChild(Inner* inner, int at) {
    CloseGap(inner->child, inner->size, at);
    CloseGap(inner->first, inner->size, at);
    CloseGap(inner->count, inner->size, at);
    --inner->size;
  }

  // Moves what is right of `left` into it.
  void Join(Inner* inner, int left, int height) {
    Node* into = inner->child[left];
    Node* from = inner->child[left + 1];
    if (height == 0) {
      Leaf* leaf = AsLeaf(into);
      std::copy(leaf->keys(), leaf->keys() + leaf->size, leaf->room);
      leaf->begin = 0;
      std::copy(AsLeaf(from)->keys(), AsLeaf(from)->keys() + from->size, leaf->room + leaf->size);
    } else {
      std::copy(AsInner(from)->child, AsInner(from)->child + from->size,
                AsInner(into)->child + into->size);
      std::copy(AsInner(from)->first, AsInner(from)->first + from->size,
                AsInner(into)->first + into->size);
      std::copy(AsInner(from)->count, AsInner(from)->count + from->size,
                AsInner(into)->count + into->size);
    }
    into->size += from->size;
    inner->count[left] += inner->count[left + 1];
    DeleteNode(from, height);
    RemoveChild(inner, left + 1);
  }

  template <typename Visit>
  static bool ForEachBelow(const Node* node, int height, const Visit& visit) {
    for (int i = 0; i < node->size; ++i) {
      const bool on = height == 0 ? visit(AsLeaf(node)->keys()[i])
                                  : ForEachBelow(AsInner(node)->child[i], height - 1, visit);
      if (!on) return false;
    }
    return true;
  }

  Node* root_ = nullptr;
  int height_ = 0;
  size_t size_ = 0;
  size_t bytes_ = 0;
};

}  // namespace wissel::routing
