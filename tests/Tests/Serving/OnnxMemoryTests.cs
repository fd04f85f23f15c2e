using System.Diagnostics;
using System.Runtime.CompilerServices;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Serving;

[Collection(AloneCollection.Name)]
public sealed class OnnxMemoryTests(ITestOutputHelper output)
{
    [Fact]
    public void Loading_running_and_failing_many_times_leaks_nothing()
    {
        using var silence = new SilentLog();
        var heavy = TestModels.Heavy(128, seed: 3); // 64 KiB
        var echo = TestModels.Echo(TensorElementType.String, "N");
        Use(heavy, echo, rounds: 200);
        var before = ResidentBytes();

        Use(heavy, echo, rounds: 2_000);

        var growth = ResidentBytes() - before;
        output.WriteLine($"grew by {growth / 1024} KiB");
        // Leaking only the weights would be 128 MB, only the strings 20 MB.
        Assert.InRange(growth, long.MinValue, 12L << 20);

        static void Use(byte[] heavy, byte[] echo, int rounds)
        {
            var text = new string('s', 5_000);
            for (var i = 0; i < rounds; i++)
            {
                using var session = OnnxSession.Load(heavy);
                using var strings = OnnxSession.Load(echo);
                using var x = OnnxTensor.Allocate<float>(4, 128);
                x.Span<float>().Clear();
                using var y = session.Run(x)[0];
                using var a = OnnxTensor.FromStrings([text, text], 2);
                using var b = strings.Run(a)[0];
                Assert.Equal(5_000, b.ToStrings()[1].Length);
                Assert.Throws<OnnxException>(() => OnnxSession.Load("broken"u8));
            }
        }
    }

    [Fact]
    public void Forgotten_sessions_and_tensors_are_released_by_the_finalizer()
    {
        var model = TestModels.Heavy(512, seed: 4); // 1 MiB
        Forget(model, 20);
        Collect();
        var before = ResidentBytes();

        for (var i = 0; i < 15; i++)
        {
            Forget(model, 20);
            Collect();
        }

        var growth = ResidentBytes() - before;
        output.WriteLine($"grew by {growth / 1024} KiB");
        Assert.InRange(growth, long.MinValue, 100L << 20); // forgotten: 600 MB

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget(byte[] model, int count)
        {
            for (var i = 0; i < count; i++)
            {
                _ = OnnxSession.Load(model);
                var tensor = OnnxTensor.Allocate<byte>(1 << 20);
                tensor.Bytes().Fill(1);
                // The span alone does not keep the memory.
                GC.KeepAlive(tensor);
            }
        }

        static void Collect()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
