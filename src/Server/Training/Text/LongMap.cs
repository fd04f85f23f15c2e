using System.Numerics;

namespace Atoll.Training.Text;

/// <summary>Numbers keys of 64 bits in the order they come; open addressing, because the counting loop looks up millions.</summary>
internal sealed class LongMap
{
    // Key 0 marks a free slot; no n-gram has it.
    private long[] _keys;
    private int[] _values;
    private int _shift;

    public LongMap(int capacity = 1024)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, capacity * 2));
        _keys = new long[size];
        _values = new int[size];
        _shift = 64 - BitOperations.Log2((uint)size);
    }

    public int Count { get; private set; }

    /// <summary>The value of a key, or <paramref name="absent"/>.</summary>
    public int Get(long key, int absent = 0)
    {
        var slot = Find(key);
        return _keys[slot] == key ? _values[slot] : absent;
    }

    /// <summary>The number of a key, counted from 0; a new key gets the next one.</summary>
    public int GetOrAdd(long key)
    {
        var slot = Find(key);
        if (_keys[slot] == key) return _values[slot];
        Insert(slot, key, Count);
        return Count - 1;
    }

    public void Set(long key, int value)
    {
        var slot = Find(key);
        if (_keys[slot] == key) _values[slot] = value;
        else Insert(slot, key, value);
    }

    private void Insert(int slot, long key, int value)
    {
        if (key == 0) throw new ArgumentOutOfRangeException(nameof(key), "Key 0 is reserved.");
        _keys[slot] = key;
        _values[slot] = value;
        if (++Count * 2 > _keys.Length) Grow();
    }

    private int Find(long key)
    {
        var mask = _keys.Length - 1;
        var slot = (int)((ulong)(key * unchecked((long)0x9E3779B97F4A7C15)) >> _shift);
        while (_keys[slot] != key && _keys[slot] != 0) slot = (slot + 1) & mask;
        return slot;
    }

    private void Grow()
    {
        var (keys, values) = (_keys, _values);
        _keys = new long[keys.Length * 2];
        _values = new int[keys.Length * 2];
        _shift--;
        for (var i = 0; i < keys.Length; i++)
        {
            if (keys[i] == 0) continue;
            var slot = Find(keys[i]);
            _keys[slot] = keys[i];
            _values[slot] = values[i];
        }
    }
}
