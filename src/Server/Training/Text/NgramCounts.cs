namespace Atoll.Training.Text;

/// <summary>In how many texts each n-gram occurs.</summary>
internal sealed class NgramCounts
{
    private readonly LongMap _numbers = new(1 << 16);
    private readonly List<long> _keys = [];
    private readonly List<int> _counts = [];
    private readonly List<int> _lastText = [];
    private int _text;

    /// <summary>Counts the n-grams of one text; repeated ones once, key 0 never.</summary>
    public void Add(List<long> keys)
    {
        _text++;
        foreach (var key in keys)
        {
            if (key == 0) continue;
            var number = _numbers.GetOrAdd(key);
            if (number == _keys.Count)
            {
                _keys.Add(key);
                _counts.Add(0);
                _lastText.Add(0);
            }
            if (_lastText[number] == _text) continue;
            _lastText[number] = _text;
            _counts[number]++;
        }
    }

    /// <summary>The n-grams in at least <paramref name="minTexts"/> texts, at most <paramref name="max"/>; their keys in order.</summary>
    public long[] Keep(int minTexts, int max)
    {
        var kept = new List<(long Key, int Count)>();
        for (var i = 0; i < _keys.Count; i++)
            if (_counts[i] >= minTexts) kept.Add((_keys[i], _counts[i]));
        if (kept.Count > max)
        {
            kept.Sort((a, b) => a.Count != b.Count ? b.Count.CompareTo(a.Count) : a.Key.CompareTo(b.Key));
            kept.RemoveRange(max, kept.Count - max);
        }
        kept.Sort((a, b) => a.Key.CompareTo(b.Key));
        return [.. kept.Select(pair => pair.Key)];
    }
}
