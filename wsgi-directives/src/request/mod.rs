//! Rules the httpd glue applies to each request: pure functions over bytes, no allocation where none is needed.

pub mod alias;
pub mod buffering;
pub mod effective;
pub mod expand;
pub mod groups;
pub mod headers;
pub mod ownership;
pub mod paths;
pub mod precheck;
pub mod select;

pub use alias::{AliasMatch, MappedUri, find_alias};
pub use buffering::{ReceivedBody, length_of_received};
pub use effective::{CallableName, RequestConfig, effective};
pub use expand::{RequestNames, application_group, callable_object, process_group, script_group};
pub use groups::is_member;
pub use headers::{HeaderFate, header_fate, write_cgi_key};
pub use ownership::{
    FileOwnership, OwnedPart, OwnershipDemand, OwnershipFault, OwnershipViolation, check_ownership,
};
pub use paths::{collapse_slashes, find_path_info, script_and_path_info};
pub use precheck::{BodyLength, FileKind, PrecheckFacts, PrecheckRefusal, precheck};
pub use select::{GroupChoice, GroupRefusal, select_group};
