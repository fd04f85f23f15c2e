using System.Text.Json;
using Atoll.Contracts;
using Xunit;

namespace Atoll.Tests.Contracts;

public sealed class DefaultTests
{
    [Fact]
    public void What_a_request_leaves_out_has_its_default()
    {
        var run = JsonSerializer.Deserialize("""{"dataset":"leads"}""", AtollJson.Default.CreateRunRequest)!;
        Assert.Equal(1, run.Seed);
        var promotion = JsonSerializer.Deserialize("{}", AtollJson.Default.PromoteRequest)!;
        Assert.Equal(Aliases.Production, promotion.To);
        var import = JsonSerializer.Deserialize("""{"name":"leads"}""", AtollJson.Default.ImportRequest)!;
        Assert.Null(import.Seed);
        Assert.Null(import.TestFraction);
    }
}
