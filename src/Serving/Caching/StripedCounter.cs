namespace Atoll.Serving;

/// <summary>Counts what many threads do at once: a <see cref="StripedCounters"/> of one.</summary>
internal sealed class StripedCounter
{
    private readonly StripedCounters _counters = new(1);

    public void Increment() => _counters.Add(0, 1);

    public long Sum() => _counters.Sum(0);
}
