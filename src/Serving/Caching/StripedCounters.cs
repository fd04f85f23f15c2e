namespace Atoll.Serving;

/// <summary>Several sums that many threads add to at once: each processor has sums of its own in cache lines of their own.</summary>
internal sealed class StripedCounters
{
    // Two lines of 64 bytes: processors fetch the neighbour with a line.
    private const int LongsPerLine = 16;

    private readonly int _stride;
    private readonly int _processorMask;
    private readonly long[] _values;

    public StripedCounters(int count)
    {
        _stride = ((count + LongsPerLine - 1) / LongsPerLine * LongsPerLine) + LongsPerLine;
        var processors = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount);
        _processorMask = processors - 1;
        _values = new long[(processors + 1) * _stride];
    }

    public void Add(int counter, long value) => Interlocked.Add(ref _values[PlaceOf(counter)], value);

    /// <summary>Adds to two at once, for little more than one.</summary>
    public void Add(int counter, long value, int other, long otherValue)
    {
        var place = PlaceOf(0);
        Interlocked.Add(ref _values[place + counter], value);
        Interlocked.Add(ref _values[place + other], otherValue);
    }

    public long Sum(int counter)
    {
        long sum = 0;
        for (var place = _stride + counter; place < _values.Length; place += _stride) sum += Interlocked.Read(ref _values[place]);
        return sum;
    }

    // The first stride stays empty: the head of the array is a neighbour, too.
    private int PlaceOf(int counter) => (((Thread.GetCurrentProcessorId() & _processorMask) + 1) * _stride) + counter;
}
