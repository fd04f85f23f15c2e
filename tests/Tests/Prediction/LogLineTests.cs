using System.Text;
using System.Text.Json;
using Atoll.Monitoring;
using Atoll.Prediction;
using Atoll.Serving.Onnx;

namespace Atoll.Tests.Prediction;

public sealed class LogLineTests
{
    [Fact]
    public void A_text_beyond_the_line_is_given_up_before_it_is_escaped()
    {
        using var tensor = OnnxTensor.Allocate(TensorElementType.String, 1);
        tensor.SetUtf8(0, new byte[32 << 20]);
        Assert.InRange(AllocatedBy(() => Assert.Throws<LogLineTooLongException>(() => Write(tensor))), 0, 1 << 20);
    }

    [Fact]
    public void Numbers_beyond_the_line_are_given_up_on_the_way()
    {
        using var tensor = OnnxTensor.Create(new double[4 << 20].AsSpan(), 4 << 20);
        tensor.Span<double>().Fill(Math.PI);
        Assert.InRange(AllocatedBy(() => Assert.Throws<LogLineTooLongException>(() => Write(tensor))), 0, 4 << 20);
    }

    [Fact]
    public void What_grows_beyond_the_line_by_its_escapes_is_given_up()
    {
        using var tensor = OnnxTensor.Allocate(TensorElementType.String, 1);
        tensor.SetUtf8(0, new byte[PredictionLog.LineBytesMax / 2]);
        Assert.Throws<LogLineTooLongException>(() => Write(tensor));
    }

    [Fact]
    public void A_tensor_that_fits_is_written_whole()
    {
        var text = new string('x', PredictionLog.LineBytesMax - 1_000);
        using var texts = OnnxTensor.FromStrings([text], 1);
        Assert.Equal($$"""{"name":"x","datatype":"BYTES","shape":[1],"data":["{{text}}"]}""", Write(texts));
        using var numbers = OnnxTensor.Create([1f, float.NaN], 2);
        Assert.Equal("""{"name":"x","datatype":"FP32","shape":[2]}""", Write(numbers));
    }

    private static string Write(OnnxTensor tensor)
    {
        var line = new LogLine();
        using (var json = new Utf8JsonWriter(line)) LoggedPrediction.WriteTensor(line, json, "x", tensor);
        return Encoding.UTF8.GetString(line.WrittenSpan);
    }

    private static long AllocatedBy(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
