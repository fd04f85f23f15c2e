using System.Runtime.InteropServices;

namespace Atoll.Serving;

/// <summary>Counts what many threads do at once: each processor has a number of its own in a cache line of its own.</summary>
internal sealed class StripedCounter
{
    private readonly Cell[] _cells = new Cell[(int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount)];

    public void Increment() => Interlocked.Increment(ref _cells[Thread.GetCurrentProcessorId() & (_cells.Length - 1)].Value);

    public long Sum()
    {
        long sum = 0;
        for (var i = 0; i < _cells.Length; i++) sum += Interlocked.Read(ref _cells[i].Value);
        return sum;
    }

    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Cell
    {
        [FieldOffset(64)]
        public long Value;
    }
}
