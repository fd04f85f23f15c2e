using System.Buffers;

namespace Atoll.Prediction;

/// <summary>Where an answer is written before it is sent at once; its memory is used again.</summary>
internal sealed class PooledBuffer : IBufferWriter<byte>, IDisposable
{
    private const int BytesFirst = 4096;
    private const int KeptBytesMax = 256 * 1024;

    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(BytesFirst);

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Ensure(sizeHint);
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Ensure(sizeHint);
        return _bytes.AsSpan(Length);
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(GetSpan(bytes.Length));
        Length += bytes.Length;
    }

    public void Clear()
    {
        Length = 0;
        if (_bytes.Length <= KeptBytesMax) return;
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = ArrayPool<byte>.Shared.Rent(BytesFirst);
    }

    /// <summary>Gives the memory back; for a buffer that is not used again.</summary>
    public void Dispose()
    {
        Length = 0;
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
    }

    private void Ensure(int room)
    {
        room = Math.Max(room, 256);
        if (_bytes.Length - Length >= room) return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(Length + room), (int)Math.Min(_bytes.Length * 2L, Array.MaxLength)));
        _bytes.AsSpan(0, Length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
