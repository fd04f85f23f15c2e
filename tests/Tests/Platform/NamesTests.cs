using Atoll.Platform;

namespace Atoll.Tests.Platform;

public sealed class NamesTests
{
    [Theory]
    [InlineData("leads", true)]
    [InlineData("0_a-b", true)]
    [InlineData("leads\n", false)]
    [InlineData("\nleads", false)]
    [InlineData("Leads", false)]
    [InlineData("-leads", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void A_name_holds_what_an_address_may_hold(string? name, bool isValid) => Assert.Equal(isValid, Names.IsValid(name));
}
