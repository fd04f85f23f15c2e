using System.Runtime.InteropServices;
using Atoll.Contracts;

namespace Atoll.Datasets;

/// <summary>Counts the frequent values in bounded memory. Exact while there are few different values; then lower bounds.</summary>
internal sealed class TopValueCounter
{
    private const int LengthMax = 100;
    private const int FruitlessMax = 3;

    private readonly int _valuesMax;
    private readonly Dictionary<string, long> _counts = [];
    private readonly Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private int _fruitless;

    public TopValueCounter(int valuesMax)
    {
        _valuesMax = valuesMax;
        _lookup = _counts.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public bool IsApproximate { get; private set; }

    /// <summary>Adds a value; texts too long to be shown as a value are not counted.</summary>
    public void Add(ReadOnlySpan<char> value)
    {
        if (value.Length > LengthMax)
        {
            IsApproximate = true;
            return;
        }

        if (_fruitless >= FruitlessMax) return;

        CollectionsMarshal.GetValueRefOrAddDefault(_lookup, value, out _)++;
        if (_counts.Count > _valuesMax) Thin();
    }

    public IReadOnlyList<ValueCount> Top(int count) =>
        [.. _counts.OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Take(count).Select(pair => new ValueCount(pair.Key, pair.Value))];

    /// <summary>Makes room: every count gives up what the middle one has.</summary>
    private void Thin()
    {
        IsApproximate = true;
        long middle = _counts.Values.Order().ElementAt(_counts.Count / 2);
        foreach (var key in _counts.Keys.ToList())
        {
            if ((_counts[key] -= middle) <= 0) _counts.Remove(key);
        }

        // Nearly all values are different: there is no top to be found, and looking for it costs.
        _fruitless = _counts.Count < _valuesMax / 20 ? _fruitless + 1 : 0;
    }
}
