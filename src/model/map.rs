//! A map in the order of its keys, for the dozens of entries there are here: a sorted list, which
//! is a tenth of the code of the standard library's tree for each pair of types.

use std::borrow::Borrow;
use std::ops::Index;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<K, V> {
    /// By key, none twice.
    items: Vec<(K, V)>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Map { items: Vec::new() }
    }
}

impl<K: Ord, V> Map<K, V> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a key is, or would be.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.items.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.items.get(at).map(|(_, value)| value)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        self.items.get_mut(at).map(|(_, value)| value)
    }

    /// What was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.items[at].1, value)),
            Err(at) => {
                self.items.insert(at, (key, value));
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.place(key).ok()?;
        Some(self.items.remove(at).1)
    }

    /// The place of a key, to be filled if there is nothing: `map.entry(key).or_default()`.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        Entry { map: self, key }
    }

    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.items.retain(|(key, value)| keep(key, value));
    }
}

impl<K, V> Map<K, V> {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn clear(&mut self) {
        self.items.clear();
    }

    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.into_iter()
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.items.iter().map(|(key, _)| key)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.items.iter().map(|(_, value)| value)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.items.iter_mut().map(|(_, value)| value)
    }
}

pub struct Entry<'m, K, V> {
    map: &'m mut Map<K, V>,
    key: K,
}

impl<'m, K: Ord, V: Default> Entry<'m, K, V> {
    pub fn or_default(self) -> &'m mut V {
        let items = &mut self.map.items;
        let at = items.binary_search_by(|(known, _)| known.cmp(&self.key)).unwrap_or_else(|at| {
            items.insert(at, (self.key, V::default()));
            at
        });
        &mut items[at].1
    }
}

impl<'m, K, V> IntoIterator for &'m Map<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = std::iter::Map<std::slice::Iter<'m, (K, V)>, fn(&(K, V)) -> (&K, &V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Borrow<Q> + Ord, V, Q: Ord + ?Sized> Index<&Q> for Map<K, V> {
    type Output = V;

    /// For tests, and where the key was seen before.
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("a known key")
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<T: IntoIterator<Item = (K, V)>>(&mut self, items: T) {
        for (key, value) in items {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(items: T) -> Self {
        let mut map = Map::default();
        map.extend(items);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::Map;

    #[test]
    fn in_order_and_none_twice() {
        let mut map: Map<String, u32> = [("b", 2), ("a", 1), ("b", 3)]
            .map(|(key, value)| (key.to_string(), value))
            .into_iter()
            .collect();
        assert_eq!(
            map.iter().map(|(key, value)| format!("{key}{value}")).collect::<String>(),
            "a1b3"
        );
        *map.entry("c".into()).or_default() += 5;
        *map.entry("c".into()).or_default() += 5;
        assert_eq!((map["c"], map.get("d")), (10, None));
        assert_eq!(map.insert("a".into(), 7), Some(1));
        assert_eq!((map.remove("a"), map.remove("a"), map.len()), (Some(7), None, 2));
        map.retain(|_, value| *value > 5);
        assert!(map.keys().eq(["c"]) && !map.is_empty());
    }
}
