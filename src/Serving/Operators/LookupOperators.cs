using System.Buffers;
using System.Runtime.InteropServices;

namespace Atoll.Serving.Operators;

/// <summary>The kernels of <c>ai.atoll.StringLookup</c> and <c>ai.atoll.IntegerLookup</c>.</summary>
internal static unsafe class LookupOperators
{
    [UnmanagedCallersOnly]
    public static nint FindStrings(void* kernel, nint native)
    {
        byte[]? text = null;
        nuint[]? ends = null;
        try
        {
            var context = new KernelContext(native);
            Span<long> shape = stackalloc long[8], tableShape = stackalloc long[1];
            var strings = context.Strings(0, shape, out var rank, ref text, ref ends);
            var table = new LookupTable((byte*)context.Input(1, tableShape, out _));
            var numbers = (long*)context.Output(shape[..rank]);
            for (var i = 0; i < strings.Count; i++) numbers[i] = table.Find(strings[i]);
            return 0;
        }
        catch (Exception failure)
        {
            return KernelContext.ToStatus(failure);
        }
        finally
        {
            if (text is not null) ArrayPool<byte>.Shared.Return(text);
            if (ends is not null) ArrayPool<nuint>.Shared.Return(ends);
        }
    }

    [UnmanagedCallersOnly]
    public static nint FindIntegers(void* kernel, nint native)
    {
        try
        {
            var context = new KernelContext(native);
            Span<long> shape = stackalloc long[8], tableShape = stackalloc long[1];
            var keys = (long*)context.Input(0, shape, out var rank);
            var table = new LookupTable((byte*)context.Input(1, tableShape, out _));
            var numbers = (long*)context.Output(shape[..rank]);
            long count = 1;
            foreach (var size in shape[..rank]) count *= size;
            for (long i = 0; i < count; i++) numbers[i] = table.Find(new ReadOnlySpan<byte>(keys + i, sizeof(long)));
            return 0;
        }
        catch (Exception failure)
        {
            return KernelContext.ToStatus(failure);
        }
    }
}
